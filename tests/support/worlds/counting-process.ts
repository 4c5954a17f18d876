import { parseUsageMessage } from '../../../shared/contracts/usage-message.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import { partitionName } from '../../../shared/domain/usage/partition.ts'
import type { UsagePartition } from '../../../shared/domain/usage/usage.ts'
import { usageAggregator } from '../../../shared/operations/usage/aggregate-usage.ts'
import { type UsageConsumer, usageConsumer } from '../../../shared/operations/usage/consume-usage.ts'
import type { MessageQueue } from '../../../shared/ports/queue.ts'
import type { LateUsage, PushLog, UsageLedger } from '../../../shared/ports/usage.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'

/** What a consumer process works with. */
export interface CountingPorts {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly queue: MessageQueue
  readonly poison: MessageQueue
  readonly pushLog: PushLog
}

/** A request that the process made and that has not been carried out. */
export interface Request {
  readonly method: string
  /** The method and what it is about. */
  readonly name: string
  /** Whether it changes anything. */
  readonly writes: boolean
  /** Carries it out and answers. */
  answer(): Promise<void>
  /** Carries it out, but the answer is lost. */
  loseReply(): Promise<void>
  /** Tells the process that it failed, without carrying it out. */
  fail(): void
  /** Carries it out without telling anyone. */
  land(): Promise<void>
}

export interface CountingProcess {
  readonly requests: readonly Request[]
  /** What the process was told since its start. Processes whose histories are equal are in the same state. */
  history(): readonly string[]
  isBusy(): boolean
  /** Begins a drain. */
  wake(): void
}

const reads = new Set(['readMeta', 'readCounters', 'findApplied', 'receive', 'depth', 'scan'])

/** The real consumer, every request of which waits until it is told what becomes of it. Its pauses take no time. */
export function countingProcess(ports: CountingPorts): CountingProcess {
  const requests: Request[] = []
  const told: Told[] = []
  let busy = false

  const held = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
        return (...args: readonly unknown[]) => hold(String(name), args, () => method.apply(target, [...args]))
      },
    })

  const hold = (method: string, args: readonly unknown[], run: () => Promise<unknown>): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const settled = (what: unknown) => {
      requests.splice(requests.indexOf(request), 1)
      const text = JSON.stringify(what, (_, value) => (value instanceof Set ? [...value] : value))
      told.push({ partition: isPartition(args[0]) ? partitionName(args[0]) : '', text: `${request.name} ${text}` })
    }
    const lost = () => {
      settled('lost')
      reject(new AppError('store_unavailable', 'No reply.'))
    }
    const request: Request = {
      method,
      name: `${method} ${JSON.stringify(args[0])}`,
      writes: !reads.has(method),
      answer: async () => {
        const result = await run()
        settled(result)
        resolve(result)
      },
      loseReply: async () => {
        await run()
        lost()
      },
      fail: lost,
      land: async () => {
        await run()
      },
    }
    requests.push(request)
    return promise
  }

  const consumer: UsageConsumer = usageConsumer({
    aggregator: usageAggregator({
      ledger: held(ports.ledger),
      late: held(ports.late),
      clock: frozen,
      scheduler: { after: runSoon },
      jitter: () => 0,
    }),
    queue: held(ports.queue),
    poison: held(ports.poison),
    codec: { parse: parseUsageMessage },
    pushLog: held(ports.pushLog),
    clock: frozen,
    log: () => undefined,
    meter: openMetrics({ worker: 'tests' }).meter,
  })

  return {
    requests,
    history: () => historyOf(told),
    isBusy: () => busy,
    wake: () => {
      busy = true
      told.push({ partition: '', text: 'wake' })
      void consumer.drain().finally(() => {
        busy = false
      })
    },
  }
}

interface Told {
  /** '' for what is not about one partition. */
  readonly partition: string
  readonly text: string
}

function isPartition(value: unknown): value is UsagePartition {
  return typeof value === 'object' && value !== null && 'shard' in value
}

/** Partitions are counted independently, so the order of what was told about two different ones makes no difference. */
function historyOf(told: readonly Told[]): readonly string[] {
  return [...new Set(told.map(({ partition }) => partition))].sort().map((name) => {
    const about = told.filter(({ partition }) => partition === name || partition === '')
    return about.map(({ text }) => text).join()
  })
}

function runSoon(_delayMs: number, task: () => void): () => void {
  queueMicrotask(task)
  return () => undefined
}

const now = new Date('2026-11-22T16:00:00.000Z')
/** Time that stands still. */
export const frozen = { now: () => now, monotonicMs: () => 0 }
