import { afterAll, beforeAll } from 'vitest'
import { tableKeyCountStore } from '../../../../shared/adapters/tables/key-count-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { keyCountStoreContract } from '../../../support/contracts/key-count-store-contract.ts'
import { memoryKeyCountStore } from '../../../support/memory/memory-key-count-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const connection = () => ({ connectionString: azurite.connectionString })

keyCountStoreContract('memory', memoryKeyCountStore)
keyCountStoreContract('Azurite', () => tableKeyCountStore(tableAccess(connection())))
keyCountStoreContract('Azurite with shuffled queries', () =>
  tableKeyCountStore(tableAccess({ ...connection(), wrapClient: shuffleQueries })),
)
