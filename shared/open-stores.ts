import type { Config } from './config.ts'
import type { Meter } from './ports-observing.ts'
import { accountsOf } from './storage/accounts.ts'
import { tableAccess } from './storage/azure-tables.ts'
import { expirySweeper } from './storage/expiry-sweeper.ts'
import { feedSweeper } from './storage/feed-sweeper.ts'
import { openGuards } from './storage/guards.ts'
import { ownIdentity } from './storage/own-identity.ts'
import { pointerSweeper } from './storage/pointer-sweeper.ts'
import { storageMessageQueue } from './storage/storage-message-queue.ts'
import { tableChangeFeed } from './storage/table-change-feed.ts'
import { tableIdempotencyStore } from './storage/table-idempotency-store.ts'
import { tableKeyCountStore } from './storage/table-key-count-store.ts'
import { tableKeyStore } from './storage/table-key-store.ts'
import { tableLateUsage } from './storage/table-late-usage.ts'
import { tableLimitStore } from './storage/table-limit-store.ts'
import { tableProviderStore } from './storage/table-provider-store.ts'
import { tablePushStore } from './storage/table-push-store.ts'
import { tableRollUpMarks } from './storage/table-roll-up-marks.ts'
import { tableUsageLedger } from './storage/table-usage-ledger.ts'
import { tableUsageReports } from './storage/table-usage-reports.ts'

/** The adapters that the settings ask for, every one behind the guard of its class of calls. */
export function openStores(config: Config, meter: Meter) {
  const guards = openGuards(config, meter)
  const accounts = accountsOf(config, ownIdentity(guards.identity))
  const { rowsPerTransaction } = accounts
  const tables = {
    hot: tableAccess({ ...accounts.tables, guard: guards.tables.hot }),
    management: tableAccess({ ...accounts.tables, guard: guards.tables.management }),
    background: tableAccess({ ...accounts.tables, guard: guards.tables.background }),
    feed: tableAccess({ ...accounts.tables, guard: guards.tables.feed }),
  }
  const queue = (name: string) => {
    const { hot, background } = guards.queue
    return storageMessageQueue({ ...accounts.queues, name, guards: { send: hot, rest: background } })
  }
  return {
    /** For validation: quick to give up. */
    hot: {
      keys: tableKeyStore(tables.hot),
      providers: tableProviderStore(tables.hot),
      feed: tableChangeFeed(tables.feed),
      limits: tableLimitStore(tables.hot),
    },
    keys: tableKeyStore(tables.management),
    providers: tableProviderStore(tables.management),
    feed: tableChangeFeed(tables.management),
    idempotency: tableIdempotencyStore(tables.management),
    keyCounts: tableKeyCountStore(tables.management),
    ledger: tableUsageLedger(tables.background),
    late: tableLateUsage(tables.background),
    marks: tableRollUpMarks(tables.background),
    reports: tableUsageReports(tables.management),
    copies: tableUsageReports(tables.background, rowsPerTransaction),
    pushes: tablePushStore(tables.management),
    pushLog: tablePushStore(tables.background),
    journal: tablePushStore(tables.background),
    queue: queue('usage-events'),
    poison: queue('usage-events-poison'),
    sweepers: {
      idempotency: expirySweeper(tables.background, 'idempotency'),
      limits: expirySweeper(tables.background, 'limits'),
      keyids: pointerSweeper(tables.background, 'keyids'),
      keysbyprovider: pointerSweeper(tables.background, 'keysbyprovider'),
      revocations: feedSweeper(tables.background),
    },
    rowsPerTransaction,
    guards: guards.all,
  }
}
