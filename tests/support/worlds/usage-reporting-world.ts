import { ulid } from 'ulid'
import {
  encodeUsageMessage,
  eraseInUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from '../../../shared/contracts/usage-message.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import type { UsageDelta } from '../../../shared/domain/usage/usage.ts'
import { usageAggregator } from '../../../shared/operations/usage/aggregate-usage.ts'
import { usageConsumer } from '../../../shared/operations/usage/consume-usage.ts'
import { rollUpUsage } from '../../../shared/operations/usage/roll-up-usage.ts'
import type { Log, Scheduler } from '../../../shared/ports/runtime.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { manualTime } from '../memory/manual-time.ts'
import { memoryEventIds } from '../memory/memory-event-ids.ts'
import { memoryKeyStore } from '../memory/memory-key-store.ts'
import { memoryMessageQueue } from '../memory/memory-message-queue.ts'
import { memoryPoisonStore } from '../memory/memory-poison-store.ts'
import { memoryPushStore } from '../memory/memory-push-store.ts'
import { memoryUsageBoots } from '../memory/memory-usage-boots.ts'
import { memoryLateUsage, memoryUsageLedger } from '../memory/memory-usage-ledger.ts'
import { memoryRollUpMarks, memoryUsageReports } from '../memory/memory-usage-reports.ts'
import { sampleKey } from '../samples/sample-keys.ts'
import { countInto } from '../samples/usage-samples.ts'

/** Backoff takes no time. */
const scheduler: Scheduler = {
  after: (_delayMs, task) => {
    const immediate = setImmediate(task)
    return () => clearImmediate(immediate)
  },
}

export type UsageReportingWorld = ReturnType<typeof usageReportingWorld>

/** Every dependency of usage reports, in memory, at 16:20 UTC on 22 November 2026. */
export function usageReportingWorld() {
  const time = manualTime('2026-11-22T16:20:00.000Z')
  const { clock } = time
  const logged: string[] = []
  const log: Log = (level, message) => {
    logged.push(`${level}: ${message}`)
  }
  const [queue, poison] = [memoryMessageQueue(clock), memoryMessageQueue(clock)]
  const [ledger, late, pushes, reports] = [
    memoryUsageLedger(),
    memoryLateUsage(),
    memoryPushStore(),
    memoryUsageReports(),
  ]
  const keys = memoryKeyStore()
  const boots = memoryUsageBoots()
  const metrics = openMetrics({ worker: 'tests' })
  const { meter } = metrics
  const codec = {
    encode: encodeUsageMessage,
    parse: parseUsageMessage,
    measure: measureUsageDelta,
    erase: eraseInUsageMessage,
    raiseRedrives: raiseUsageRedrives,
  }
  const aggregator = usageAggregator({ ledger, late, keys, clock, scheduler, jitter: () => 0 })
  const needs = {
    ...{ time, clock, log, logged, queue, poison, ledger, late, pushes, journal: pushes, keys, codec, reports },
    ...{ copies: reports, boots, bootJournal: boots, metrics },
    poisoned: memoryPoisonStore(),
    eventIds: memoryEventIds(),
    scheduler,
    marks: memoryRollUpMarks(),
    random: { bytes: (size: number) => new Uint8Array(size), id: () => ulid() },
  }
  let batches = 0
  return {
    ...needs,
    consumer: usageConsumer({ ...needs, aggregator, pushLog: pushes, meter }),
    rollUp: () => rollUpUsage(needs),
    count: (...deltas: readonly UsageDelta[]) => countInto(ledger, deltas, { batchId: `host.boot.${++batches}` }),
    async addKey(change: Partial<Key> = {}): Promise<Key> {
      const key = sampleKey({ providerId: 'acme', ...change })
      await keys.create(key)
      return key
    },
  }
}
