import { accountsOf } from '../adapters/accounts.ts'
import { openGuards } from '../adapters/guard/guards.ts'
import type { Lane, QueueLane } from '../adapters/guard/lanes.ts'
import { appIdentity } from '../adapters/identity/app-identity.ts'
import { storageMessageQueue } from '../adapters/message-queue.ts'
import { tableChangeFeed } from '../adapters/tables/change-feed.ts'
import { tableErasureStore } from '../adapters/tables/erasure-store.ts'
import { tableEventIds } from '../adapters/tables/event-ids.ts'
import {
  copiedEvidenceSweeper,
  countedEvidenceSweeper,
  lateEvidenceSweeper,
} from '../adapters/tables/evidence-sweeper.ts'
import { tableIdempotencyStore } from '../adapters/tables/idempotency-store.ts'
import { tableKeyCountStore } from '../adapters/tables/key-count-store.ts'
import { tableKeyStore } from '../adapters/tables/key-store.ts'
import { tableLateUsage } from '../adapters/tables/late-usage.ts'
import { tableLimitStore } from '../adapters/tables/limit-store.ts'
import { tablePepperStore } from '../adapters/tables/pepper-store.ts'
import { tablePoisonStore } from '../adapters/tables/poison-store.ts'
import { tableProviderStore } from '../adapters/tables/provider-store.ts'
import { tablePushStore } from '../adapters/tables/push-store.ts'
import { tablePushedMessages } from '../adapters/tables/pushed-messages.ts'
import { tableRollUpMarks } from '../adapters/tables/roll-up-marks.ts'
import { expirySweeper, feedSweeper, pointerSweeper } from '../adapters/tables/sweepers.ts'
import { type TableAccess, tableAccess } from '../adapters/tables/table-access.ts'
import { tableUsageBoots } from '../adapters/tables/usage-boots.ts'
import { tableUsageLedger } from '../adapters/tables/usage-ledger.ts'
import { tableUsageMonths } from '../adapters/tables/usage-months.ts'
import { tableUsageReports } from '../adapters/tables/usage-reports.ts'
import { lateSweeper, pushSweeper, reportSweeper } from '../adapters/tables/usage-sweepers.ts'
import { tableVerdictStore, verdictSweeper } from '../adapters/tables/verdict-tables.ts'
import type { Meter } from '../ports/meter.ts'
import type { Clock } from '../ports/runtime.ts'
import type { Config } from '../runtime/config.ts'

/** The adapters that the settings select, each in the lane of its purpose. */
export function openStores(config: Config, meter: Meter, clock: Pick<Clock, 'now'>) {
  const guards = openGuards(config, meter)
  const accounts = accountsOf(config, appIdentity(guards.identity))
  const { rowsPerTransaction } = accounts
  const inLane = (lane: Lane, turn?: string) => {
    const options = { ...accounts.tables, guard: guards.tables[lane], units: accounts.units?.[lane] }
    return tableAccess(turn === undefined ? options : { ...options, turn })
  }
  const revocation = inLane('revocation')
  const management = inLane('management')
  const lookup = inLane('lookup')
  const background = inLane('background')
  const queue = (name: string, sends: QueueLane, rest: QueueLane = 'background') =>
    storageMessageQueue({
      ...{ ...accounts.queues, name },
      guards: { send: guards.queue[sends], rest: guards.queue[rest] },
    })
  return {
    hotIdempotency: tableVerdictStore(lookup, clock),
    /** For validation: short deadlines. All callers wait for one poll of the feed, so it waits behind none of them. */
    hot: {
      keys: tableKeyStore(lookup),
      providers: tableProviderStore(lookup),
      feed: tableChangeFeed(inLane('revocation', 'feed')),
      limits: tableLimitStore(inLane('limits')),
      peppers: tablePepperStore(lookup),
    },
    keys: tableKeyStore(management),
    providers: tableProviderStore(management),
    feed: tableChangeFeed(revocation),
    /** For changes that end keys. */
    ending: {
      keys: tableKeyStore(revocation),
      providers: tableProviderStore(revocation),
      reports: tableUsageReports(revocation),
    },
    idempotency: tableIdempotencyStore(management),
    ...{ erasures: tableErasureStore(management), erasing: openErasing(background) },
    keyCounts: tableKeyCountStore(management),
    pepperStore: tablePepperStore(background),
    keysInBackground: tableKeyStore(background),
    ledger: tableUsageLedger(background),
    late: tableLateUsage(background),
    marks: tableRollUpMarks(background),
    reports: tableUsageReports(management),
    copies: tableUsageReports(background, rowsPerTransaction),
    pushes: tablePushStore(management),
    /** For usage pushes, which judge and store up to 10,000 events each. */
    pushing: {
      keys: tableKeyStore(background),
      pushes: tablePushStore(background),
      eventIds: tableEventIds(background, rowsPerTransaction),
      queue: queue('usage-events', 'background'),
    },
    months: tableUsageMonths(background),
    ...{ pushLog: tablePushStore(background), journal: tablePushStore(background) },
    boots: tableUsageBoots(lookup),
    bootJournal: tableUsageBoots(background),
    queue: queue('usage-events', 'usage'),
    poison: queue('usage-events-poison', 'background'),
    keyEvents: queue('key-events', 'revocation', 'revocation'),
    keyEventsPoison: queue('key-events-poison', 'revocation', 'revocation'),
    sweepers: openSweepers(background, config),
    poisoned: tablePoisonStore(management),
    rowsPerTransaction,
    guards: guards.all,
  }
}

/** For the erasure of usage data: it spends what other calls leave over. */
function openErasing(tables: TableAccess) {
  return {
    erasures: tableErasureStore(tables),
    poisoned: tablePoisonStore(tables),
    keys: tableKeyStore(tables),
    pushedMessages: tablePushedMessages(tables),
  }
}

/** The sweepers. `usage` stands for the counters of every month; two look at one table for two purposes. */
function openSweepers(tables: TableAccess, { evidenceDays, usageRetentionMonths }: Config) {
  return {
    idempotency: expirySweeper(tables, 'idempotency'),
    verdicts: verdictSweeper(tables),
    limits: expirySweeper(tables, 'limits'),
    usageboots: expirySweeper(tables, 'usageboots'),
    keyids: pointerSweeper(tables, 'keyids'),
    keysbyprovider: pointerSweeper(tables, 'keysbyprovider'),
    revocations: feedSweeper(tables),
    evidencebyprovider: copiedEvidenceSweeper(tables, evidenceDays),
    evidencelate: lateEvidenceSweeper(tables, evidenceDays),
    usage: countedEvidenceSweeper(tables, evidenceDays),
    usageeventids: expirySweeper(tables, 'usageeventids'),
    usagebyprovider: reportSweeper(tables, usageRetentionMonths),
    usagelate: lateSweeper(tables, usageRetentionMonths),
    usagebatches: pushSweeper(tables, usageRetentionMonths),
  }
}
