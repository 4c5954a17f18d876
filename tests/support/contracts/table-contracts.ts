import { tableChangeFeed } from '../../../shared/adapters/tables/change-feed.ts'
import { tableErasureStore } from '../../../shared/adapters/tables/erasure-store.ts'
import { tableEventIds } from '../../../shared/adapters/tables/event-ids.ts'
import { tableIdempotencyStore } from '../../../shared/adapters/tables/idempotency-store.ts'
import { tableKeyCountStore } from '../../../shared/adapters/tables/key-count-store.ts'
import { tableKeyStore } from '../../../shared/adapters/tables/key-store.ts'
import { tableLateUsage } from '../../../shared/adapters/tables/late-usage.ts'
import { tableLimitStore } from '../../../shared/adapters/tables/limit-store.ts'
import { tablePepperStore } from '../../../shared/adapters/tables/pepper-store.ts'
import { tablePoisonStore } from '../../../shared/adapters/tables/poison-store.ts'
import { tableProviderStore } from '../../../shared/adapters/tables/provider-store.ts'
import { tablePushStore } from '../../../shared/adapters/tables/push-store.ts'
import { tablePushedMessages } from '../../../shared/adapters/tables/pushed-messages.ts'
import { tableRollUpMarks } from '../../../shared/adapters/tables/roll-up-marks.ts'
import type { TableAccess } from '../../../shared/adapters/tables/table-access.ts'
import { tableUsageBoots } from '../../../shared/adapters/tables/usage-boots.ts'
import { tableUsageLedger } from '../../../shared/adapters/tables/usage-ledger.ts'
import { tableUsageMonths } from '../../../shared/adapters/tables/usage-months.ts'
import { tableUsageReports } from '../../../shared/adapters/tables/usage-reports.ts'
import { atStoreTime } from '../worlds/store-clock.ts'
import { changeFeedContract } from './change-feed-contract.ts'
import { erasureStoreContract } from './erasure-store-contract.ts'
import { eventIdsContract } from './event-ids-contract.ts'
import { idempotencyStoreContract } from './idempotency-store-contract.ts'
import { keyCountStoreContract } from './key-count-store-contract.ts'
import { keyStoreContract } from './key-store-contract.ts'
import { limitStoreContract } from './limit-store-contract.ts'
import { pepperStoreContract } from './pepper-store-contract.ts'
import { poisonStoreContract } from './poison-store-contract.ts'
import { providerStoreContract } from './provider-store-contract.ts'
import { pushStoreContract } from './push-store-contract.ts'
import { usageBootsContract } from './usage-boots-contract.ts'
import { type ErasableUsage, usageErasureContract } from './usage-erasure-contract.ts'
import { lateUsageContract, usageLedgerContract, usageMonthsContract } from './usage-ledger-contract.ts'
import { rollUpMarksContract, usageReportsContract } from './usage-reports-contract.ts'

/** Runs the contract suite of every store over the tables of one account. */
export function tableContracts(name: string, tables: () => TableAccess): void {
  keyStoreContract(name, () => tableKeyStore(tables()))
  providerStoreContract(name, () => tableProviderStore(tables()))
  idempotencyStoreContract(name, () => tableIdempotencyStore(tables()))
  usageLedgerContract(name, () => tableUsageLedger(tables()))
  usageMonthsContract(name, () => ({ ...tableUsageLedger(tables()), ...tableUsageMonths(tables()) }))
  lateUsageContract(name, () => tableLateUsage(tables()))
  usageReportsContract(name, () => tableUsageReports(tables()))
  rollUpMarksContract(name, () => tableRollUpMarks(tables()))
  pushStoreContract(name, () => tablePushStore(tables()))
  eventIdsContract(name, () => tableEventIds(tables()))
  poisonStoreContract(name, () => tablePoisonStore(tables()))
  erasureStoreContract(name, () => tableErasureStore(tables()))
  usageErasureContract(name, () => erasableUsage(tables()))
  usageBootsContract(name, () => tableUsageBoots(tables()))
  limitStoreContract(name, () => tableLimitStore(tables()))
  keyCountStoreContract(name, () => tableKeyCountStore(tables()))
  pepperStoreContract(name, () => {
    const copy = unused(tables())
    return { store: tablePepperStore(copy), keys: tableKeyStore(copy) }
  })
  changeFeedContract(name, (clock) => tableChangeFeed(atStoreTime(unused(tables()), clock)))
}

/** The stores that an erasure changes. */
export function erasableUsage(tables: TableAccess): ErasableUsage {
  return {
    ...{ ledger: tableUsageLedger(tables), late: tableLateUsage(tables), reports: tableUsageReports(tables) },
    ...{ pushes: tablePushStore(tables), pushedMessages: tablePushedMessages(tables) },
  }
}

let copies = 0

/** The same tables under names that were never used. */
function unused(tables: TableAccess): TableAccess {
  const copy = ++copies
  return { table: (name) => tables.table(`${name}${copy}`) }
}
