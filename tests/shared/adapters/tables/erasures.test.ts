import { afterAll, beforeAll } from 'vitest'
import { tableErasureStore } from '../../../../shared/adapters/tables/erasure-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { erasureStoreContract } from '../../../support/contracts/erasure-store-contract.ts'
import { erasableUsage } from '../../../support/contracts/table-contracts.ts'
import { usageErasureContract } from '../../../support/contracts/usage-erasure-contract.ts'
import { memoryErasureStore } from '../../../support/memory/memory-erasure-store.ts'
import { memoryPushedMessages, memoryPushStore, type StoredPush } from '../../../support/memory/memory-push-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { memoryUsageReports } from '../../../support/memory/memory-usage-reports.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const plain = () => tableAccess({ connectionString: azurite.connectionString })
const shuffled = () => tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })

erasureStoreContract('memory', memoryErasureStore)
erasureStoreContract('Azurite', () => tableErasureStore(plain()))
erasureStoreContract('Azurite with shuffled queries', () => tableErasureStore(shuffled()))

usageErasureContract('memory', () => {
  const pushed = new Map<string, StoredPush>()
  return {
    ...{ ledger: memoryUsageLedger(), late: memoryLateUsage(), reports: memoryUsageReports() },
    ...{ pushes: memoryPushStore(pushed), pushedMessages: memoryPushedMessages(pushed) },
  }
})
usageErasureContract('Azurite', () => erasableUsage(plain()))
usageErasureContract('Azurite with shuffled queries', () => erasableUsage(shuffled()))
