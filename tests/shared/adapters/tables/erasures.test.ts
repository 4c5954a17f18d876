import { tableErasureStore } from '../../../../shared/adapters/tables/erasure-store.ts'
import { erasureStoreContract } from '../../../support/contracts/erasure-store-contract.ts'
import { erasableUsage } from '../../../support/contracts/table-contracts.ts'
import { usageErasureContract } from '../../../support/contracts/usage-erasure-contract.ts'
import { memoryErasureStore } from '../../../support/memory/memory-erasure-store.ts'
import { memoryPushedMessages, memoryPushStore, type StoredPush } from '../../../support/memory/memory-push-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { memoryUsageReports } from '../../../support/memory/memory-usage-reports.ts'
import { azuriteTables } from '../../../support/worlds/azurite-tables.ts'

const { plain, shuffled } = azuriteTables()

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
