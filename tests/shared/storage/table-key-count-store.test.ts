import { afterAll, beforeAll } from 'vitest'
import { tableAccess } from '../../../shared/storage/azure-tables.ts'
import { tableKeyCountStore } from '../../../shared/storage/table-key-count-store.ts'
import { startAzurite, type TestAzurite } from '../../support/azurite.ts'
import { keyCountStoreContract } from '../../support/key-count-store-contract.ts'
import { memoryKeyCountStore } from '../../support/memory-key-count-store.ts'
import { shuffleQueries } from '../../support/shuffling-tables.ts'

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
