import { eraseInUsageMessage, parseUsageMessage } from '../../../shared/contracts/usage-message.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import { partitionName } from '../../../shared/domain/usage/partition.ts'
import type { UsagePartition } from '../../../shared/domain/usage/usage.ts'
import { usageAggregator } from '../../../shared/operations/usage/aggregate-usage.ts'
import { type UsageConsumer, usageConsumer } from '../../../shared/operations/usage/consume-usage.ts'
import { replayPoison } from '../../../shared/operations/usage/replay-poison.ts'
import type { PoisonStore } from '../../../shared/ports/poison.ts'
import type { MessageQueue } from '../../../shared/ports/queue.ts'
import type { LateUsage, PushLog, UsageLedger } from '../../../shared/ports/usage.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'

/** The ports of a consumer process. */
export interface CountingPorts {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly queue: MessageQueue
  readonly poison: MessageQueue
  readonly poisoned: PoisonStore
  readonly pushLog: PushLog
}

/** A pending request of the process. */
export interface Request {
  readonly method: string
  /** The method and its first argument. */
  readonly name: string
  /** Whether it changes anything. */
  readonly writes: boolean
  /** Executes the request and replies. */
  answer(): Promise<void>
  /** Executes the request; its reply is lost. */
  loseReply(): Promise<void>
  /** Fails the request without executing it. */
  fail(): void
  /** Executes the request without a reply. */
  land(): Promise<void>
}

export interface CountingProcess {
  readonly requests: readonly Request[]
  /** The replies since the start of the process. Processes with equal histories are in the same state. */
  history(): readonly string[]
  isBusy(): boolean
  /** Starts a drain. */
  wake(): void
  /** Starts a replay of everything that is set aside. */
  replay(): void
}

const reads = new Set(['readMeta', 'readCounters', 'findApplied', 'receive', 'depth', 'scan', 'page', 'find'])

/** The real consumer. Each of its requests waits until the test decides its outcome. Backoff takes no time. */
export function countingProcess(ports: CountingPorts): CountingProcess {
  const unerased = { findById: async () => undefined }
  const requests: Request[] = []
  const replies: Reply[] = []
  let busy = false

  const gated = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
        return (...args: readonly unknown[]) => hold(String(name), args, () => method.apply(target, [...args]))
      },
    })

  const hold = (method: string, args: readonly unknown[], run: () => Promise<unknown>): Promise<unknown> => {
    const { promise, request } = heldRequest(method, args, run, (text) => {
      requests.splice(requests.indexOf(request), 1)
      replies.push({ partition: isPartition(args[0]) ? partitionName(args[0]) : '', text: `${request.name} ${text}` })
    })
    requests.push(request)
    return promise
  }

  const consumer: UsageConsumer = usageConsumer({
    aggregator: usageAggregator({
      ledger: gated(ports.ledger),
      late: gated(ports.late),
      keys: unerased,
      clock: frozen,
      scheduler: { after: runSoon },
      jitter: () => 0,
    }),
    queue: gated(ports.queue),
    poison: gated(ports.poison),
    poisoned: gated(ports.poisoned),
    ledger: gated(ports.ledger),
    keys: unerased,
    codec: { parse: parseUsageMessage, erase: eraseInUsageMessage },
    pushLog: gated(ports.pushLog),
    marks: { request: async () => undefined },
    clock: frozen,
    log: () => undefined,
    meter: openMetrics({ worker: 'tests' }).meter,
  })

  const start = (name: string, work: () => Promise<unknown>): void => {
    busy = true
    replies.push({ partition: '', text: name })
    const done = () => {
      busy = false
    }
    void work().then(done, done)
  }

  return {
    requests,
    history: () => historyOf(replies),
    isBusy: () => busy,
    wake: () => start('wake', consumer.drain),
    replay: () =>
      start('replay', () => replayPoison({ poisoned: gated(ports.poisoned), queue: gated(ports.queue) }, null)),
  }
}

/** `settled` is told the reply. */
function heldRequest(
  method: string,
  args: readonly unknown[],
  run: () => Promise<unknown>,
  settled: (text: string) => void,
): { readonly promise: Promise<unknown>; readonly request: Request } {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const lost = () => {
    settled('lost')
    reject(new AppError('store_unavailable', 'No reply.'))
  }
  const land = async () => {
    await run().catch(() => undefined)
  }
  const request: Request = {
    method,
    name: `${method} ${JSON.stringify(args[0])}`,
    writes: !reads.has(method),
    answer: async () => {
      try {
        const result = await run()
        settled(JSON.stringify(result, (_, value) => (value instanceof Map ? [...value] : value)))
        resolve(result)
      } catch (error) {
        settled(String(error))
        reject(error)
      }
    },
    loseReply: async () => {
      await land()
      lost()
    },
    fail: lost,
    land,
  }
  return { promise, request }
}

interface Reply {
  /** '' for a reply that is not about one partition. */
  readonly partition: string
  readonly text: string
}

function isPartition(value: unknown): value is UsagePartition {
  return typeof value === 'object' && value !== null && 'shard' in value
}

/** Partitions are counted independently, so the order of replies about different partitions makes no difference. */
function historyOf(replies: readonly Reply[]): readonly string[] {
  return [...new Set(replies.map(({ partition }) => partition))].sort().map((name) => {
    const about = replies.filter(({ partition }) => partition === name || partition === '')
    return about.map(({ text }) => text).join()
  })
}

function runSoon(_delayMs: number, task: () => void): () => void {
  queueMicrotask(task)
  return () => undefined
}

const now = new Date('2026-11-22T16:00:00.000Z')
/** A clock that stands still. */
export const frozen = { now: () => now, monotonicMs: () => 0 }
