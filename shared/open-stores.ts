import type { Config } from './config.ts'
import { tableAccess } from './storage/azure-tables.ts'
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

/** The adapters that the settings ask for. */
export function openStores({ storage }: Config) {
  if (storage.kind === 'identity') throw new Error('AZURE_STORAGE_ACCOUNT alone is not supported yet.')
  const { connectionString } = storage
  const tables = tableAccess({ connectionString })
  const reports = tableUsageReports(tables)
  const pushes = tablePushStore(tables)
  return {
    keys: tableKeyStore(tables),
    providers: tableProviderStore(tables),
    idempotency: tableIdempotencyStore(tables),
    ledger: tableUsageLedger(tables),
    late: tableLateUsage(tables),
    marks: tableRollUpMarks(tables),
    reports,
    copies: reports,
    pushes,
    journal: pushes,
    queue: storageMessageQueue({ connectionString, name: 'usage-events' }),
    poison: storageMessageQueue({ connectionString, name: 'usage-events-poison' }),
    sweepers: {
      idempotency: idempotencySweeper(tables),
      keyids: pointerSweeper(tables, 'keyids'),
      keysbyprovider: pointerSweeper(tables, 'keysbyprovider'),
    },
  }
}
