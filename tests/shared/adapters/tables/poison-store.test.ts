import { afterAll, beforeAll } from 'vitest'
import { tablePoisonStore } from '../../../../shared/adapters/tables/poison-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { poisonStoreContract } from '../../../support/contracts/poison-store-contract.ts'
import { memoryPoisonStore } from '../../../support/memory/memory-poison-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

poisonStoreContract('memory', memoryPoisonStore)
poisonStoreContract('Azurite', () => tablePoisonStore(tableAccess({ connectionString: azurite.connectionString })))
poisonStoreContract('Azurite with shuffled queries', () =>
  tablePoisonStore(tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })),
)
