import { accountsOf } from '../adapters/accounts.ts'
import { openGuards } from '../adapters/guard/guards.ts'
import { appIdentity } from '../adapters/identity/app-identity.ts'
import { storageMessageQueue } from '../adapters/message-queue.ts'
import { tableChangeFeed } from '../adapters/tables/change-feed.ts'
import { tableIdempotencyStore } from '../adapters/tables/idempotency-store.ts'
import { tableKeyCountStore } from '../adapters/tables/key-count-store.ts'
import { tableKeyStore } from '../adapters/tables/key-store.ts'
import { tableLateUsage } from '../adapters/tables/late-usage.ts'
import { tableLimitStore } from '../adapters/tables/limit-store.ts'
import { tableProviderStore } from '../adapters/tables/provider-store.ts'
import { tablePushStore } from '../adapters/tables/push-store.ts'
import { tableRollUpMarks } from '../adapters/tables/roll-up-marks.ts'
import { expirySweeper, feedSweeper, pointerSweeper } from '../adapters/tables/sweepers.ts'
import { tableAccess } from '../adapters/tables/table-access.ts'
import { tableUsageLedger } from '../adapters/tables/usage-ledger.ts'
import { tableUsageReports } from '../adapters/tables/usage-reports.ts'
import type { Meter } from '../ports/meter.ts'
import type { Config } from '../runtime/config.ts'

/** The adapters that the settings select, each behind the guard of its class of calls. */
export function openStores(config: Config, meter: Meter) {
  const guards = openGuards(config, meter)
  const accounts = accountsOf(config, appIdentity(guards.identity))
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
    /** For validation: short deadlines. */
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
    keyEvents: queue('key-events'),
    keyEventsPoison: queue('key-events-poison'),
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
