import { afterAll, beforeAll } from 'vitest'
import { tableIdempotencyStore } from '../../../../shared/adapters/tables/idempotency-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { idempotencyStoreContract } from '../../../support/contracts/idempotency-store-contract.ts'
import { memoryIdempotencyStore } from '../../../support/memory/memory-idempotency-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const connection = () => ({ connectionString: azurite.connectionString })

idempotencyStoreContract('memory', memoryIdempotencyStore)
idempotencyStoreContract('Azurite', () => tableIdempotencyStore(tableAccess(connection())))
idempotencyStoreContract('Azurite with shuffled queries', () =>
  tableIdempotencyStore(tableAccess({ ...connection(), wrapClient: shuffleQueries })),
)
