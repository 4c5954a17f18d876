import { afterAll, beforeAll } from 'vitest'
import { tableAccess } from '../../../shared/storage/azure-tables.ts'
import { tableProviderStore } from '../../../shared/storage/table-provider-store.ts'
import { startAzurite, type TestAzurite } from '../../support/azurite.ts'
import { memoryProviderStore } from '../../support/memory-provider-store.ts'
import { providerStoreContract } from '../../support/provider-store-contract.ts'
import { shuffleQueries } from '../../support/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const connection = () => ({ connectionString: azurite.connectionString })

providerStoreContract('memory', memoryProviderStore)
providerStoreContract('Azurite', () => tableProviderStore(tableAccess(connection())))
providerStoreContract('Azurite with shuffled queries', () =>
  tableProviderStore(tableAccess({ ...connection(), wrapClient: shuffleQueries })),
)
