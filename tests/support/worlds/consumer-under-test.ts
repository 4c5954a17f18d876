import {
  encodeUsageMessage,
  eraseInUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from '../../../shared/contracts/usage-message.ts'
import type { PushPart, UsageBatch, UsageDelta } from '../../../shared/domain/usage/usage.ts'
import { usageAggregator } from '../../../shared/operations/usage/aggregate-usage.ts'
import { usageConsumer } from '../../../shared/operations/usage/consume-usage.ts'
import type { Log } from '../../../shared/ports/runtime.ts'
import type { PushLog, UsageCodec, UsageLedger } from '../../../shared/ports/usage.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { manualTime } from '../memory/manual-time.ts'
import { memoryKeyStore } from '../memory/memory-key-store.ts'
import { memoryMessageQueue } from '../memory/memory-message-queue.ts'
import { memoryPoisonStore } from '../memory/memory-poison-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../memory/memory-usage-ledger.ts'
import { memoryRollUpMarks } from '../memory/memory-usage-reports.ts'

export const codec: UsageCodec = {
  encode: encodeUsageMessage,
  parse: parseUsageMessage,
  measure: measureUsageDelta,
  erase: eraseInUsageMessage,
  raiseRedrives: raiseUsageRedrives,
}

export type LogLine = Parameters<Log>

let batches = 0

/** A batch with an id of its own. */
export function sampleBatch(deltas: readonly UsageDelta[], push: PushPart | null = null): UsageBatch {
  return { batchId: `host.boot.${++batches}`, ackedBelow: 1, at: '2026-11-22T10:30:00.000Z', deltas, push }
}

interface ConsumerOptions {
  /** Wraps the ledger of the consumer. */
  readonly wrapLedger?: (ledger: UsageLedger) => UsageLedger
  readonly pushLog?: PushLog
  readonly rowsPerTransaction?: number
}

/** A consumer with every dependency in memory. Backoff takes no time. */
export function consumerUnderTest(options: ConsumerOptions = {}) {
  const { wrapLedger = (ledger) => ledger, pushLog, rowsPerTransaction = 100 } = options
  const { clock } = manualTime()
  const ledger = memoryUsageLedger()
  const late = memoryLateUsage()
  const queue = memoryMessageQueue(clock)
  const poison = memoryMessageQueue(clock)
  const poisoned = memoryPoisonStore()
  const lines: LogLine[] = []
  const requests: string[] = []
  const watched = watchCalls(wrapLedger(ledger), requests)
  const scheduler = {
    after: (_delayMs: number, task: () => void) => {
      queueMicrotask(task)
      return () => undefined
    },
  }
  const keys = memoryKeyStore()
  const aggregator = usageAggregator({
    ledger: watched,
    late,
    keys,
    clock,
    scheduler,
    jitter: () => 1,
    rowsPerTransaction,
  })
  const log: Log = (...line) => void lines.push(line)
  const told: unknown[] = []
  const noPushLog: PushLog = { partApplied: async (...args) => void told.push(args) }
  const metrics = openMetrics({ worker: 'tests' })
  const marks = memoryRollUpMarks()
  const sinks = { keys, marks, poison, poisoned, pushLog: pushLog ?? noPushLog, log, meter: metrics.meter }
  const ports = { aggregator, queue, codec, clock, ledger: wrapLedger(ledger), ...sinks }
  const consumer = usageConsumer(ports)
  return { consumer, metrics, aggregator, keys, ledger, late, queue, poison, poisoned, told, lines, requests, clock }
}

function watchCalls(ledger: UsageLedger, calls: string[]): UsageLedger {
  return new Proxy(ledger, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as (...args: readonly unknown[]) => unknown
      return (...args: readonly unknown[]) => {
        calls.push(String(name))
        return method.apply(target, [...args])
      }
    },
  })
}
