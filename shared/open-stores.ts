import type { Config } from './config.ts'
import type { Meter } from './ports-observing.ts'
import { tableAccess } from './storage/azure-tables.ts'
import { openGuards } from './storage/guards.ts'
import { idempotencySweeper } from './storage/idempotency-sweeper.ts'
import { pointerSweeper } from './storage/pointer-sweeper.ts'
import { storageMessageQueue } from './storage/storage-message-queue.ts'
import { tableIdempotencyStore } from './storage/table-idempotency-store.ts'
import { tableKeyStore } from './storage/table-key-store.ts'
import { tableLateUsage } from './storage/table-late-usage.ts'
import { tableProviderStore } from './storage/table-provider-store.ts'
import { tablePushStore } from './storage/table-push-store.ts'
import { tableRollUpMarks } from './storage/table-roll-up-marks.ts'
import { tableUsageLedger } from './storage/table-usage-ledger.ts'
import { tableUsageReports } from './storage/table-usage-reports.ts'

/** The adapters that the settings ask for, every one behind the guard of its class of calls. */
export function openStores(config: Config, meter: Meter) {
  const { storage } = config
  if (storage.kind === 'identity') throw new Error('AZURE_STORAGE_ACCOUNT alone is not supported yet.')
  const { connectionString } = storage
  const guards = openGuards(config, meter)
  const tables = {
    hot: tableAccess({ connectionString, guard: guards.tables.hot }),
    management: tableAccess({ connectionString, guard: guards.tables.management }),
    background: tableAccess({ connectionString, guard: guards.tables.background }),
  }
  const queue = (name: string) => {
    return storageMessageQueue({
      connectionString,
      name,
      guards: { send: guards.queue.hot, rest: guards.queue.background },
    })
  }
  return {
    /** For validation: quick to give up. */
    hot: { keys: tableKeyStore(tables.hot), providers: tableProviderStore(tables.hot) },
    keys: tableKeyStore(tables.management),
    providers: tableProviderStore(tables.management),
    idempotency: tableIdempotencyStore(tables.management),
    ledger: tableUsageLedger(tables.background),
    late: tableLateUsage(tables.background),
    marks: tableRollUpMarks(tables.background),
    reports: tableUsageReports(tables.management),
    copies: tableUsageReports(tables.background),
    pushes: tablePushStore(tables.management),
    pushLog: tablePushStore(tables.background),
    journal: tablePushStore(tables.background),
    queue: queue('usage-events'),
    poison: queue('usage-events-poison'),
    sweepers: {
      idempotency: idempotencySweeper(tables.background),
      keyids: pointerSweeper(tables.background, 'keyids'),
      keysbyprovider: pointerSweeper(tables.background, 'keysbyprovider'),
    },
    guards: guards.all,
  }
}
