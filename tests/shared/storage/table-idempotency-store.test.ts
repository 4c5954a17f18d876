import { afterAll, beforeAll } from 'vitest'
import { tableAccess } from '../../../shared/storage/azure-tables.ts'
import { tableIdempotencyStore } from '../../../shared/storage/table-idempotency-store.ts'
import { startAzurite, type TestAzurite } from '../../support/azurite.ts'
import { idempotencyStoreContract } from '../../support/idempotency-store-contract.ts'
import { memoryIdempotencyStore } from '../../support/memory-idempotency-store.ts'
import { shuffleQueries } from '../../support/shuffling-tables.ts'

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
