import { afterAll, beforeAll } from 'vitest'
import { tableAccess } from '../../../shared/adapters/tables/table-access.ts'
import { startAzurite, type TestAzurite } from '../runs/azurite.ts'
import { shuffleQueries } from './shuffling-tables.ts'

/** Runs an Azurite for the tests of a file. Its tables are as they are, or `shuffled`: with queries in no order. */
export function azuriteTables() {
  let azurite: TestAzurite
  beforeAll(async () => {
    azurite = await startAzurite()
  })
  afterAll(() => azurite.stop())
  const connectionString = () => azurite.connectionString
  return {
    connectionString,
    plain: () => tableAccess({ connectionString: connectionString() }),
    shuffled: () => tableAccess({ connectionString: connectionString(), wrapClient: shuffleQueries }),
  }
}
