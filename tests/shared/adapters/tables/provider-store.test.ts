import { afterAll, beforeAll } from 'vitest'
import { tableProviderStore } from '../../../../shared/adapters/tables/provider-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { providerStoreContract } from '../../../support/contracts/provider-store-contract.ts'
import { memoryProviderStore } from '../../../support/memory/memory-provider-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

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
