import { AppError } from '../../../shared/domain/errors.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import type { Limiter, LimitStore } from '../../../shared/ports/limits.ts'
import type { Clock, Scheduler } from '../../../shared/ports/runtime.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { type ManualTime, manualTime } from '../memory/manual-time.ts'
import { memoryLimitStore } from '../memory/memory-limit-store.ts'

/** A store that counts its requests, and can be taken down. */
export interface CountedLimitStore extends LimitStore {
  reads: number
  writes: number
  /** The lane refuses every request. */
  isBusy: boolean
  isDown: boolean
  /** Retries every write after it was done, as over a network that loses the reply. */
  losesReplies: boolean
}

interface LimiterWorld {
  readonly time: ManualTime
  readonly store: CountedLimitStore
  /** Starts another instance on the same store; its machine's clock is `aheadMs` ahead. */
  readonly instance: (options?: { readonly aheadMs?: () => number; readonly maxLimits?: number }) => Limiter
}

export function limiterWorld(): LimiterWorld {
  const time = manualTime()
  const store = countedStore(memoryLimitStore(time.clock))
  let instances = 0
  return {
    time,
    store,
    instance({ aheadMs = () => 0, maxLimits = 1000 } = {}) {
      const clock: Clock = {
        now: () => new Date(time.clock.now().getTime() + aheadMs()),
        monotonicMs: time.clock.monotonicMs,
      }
      return limiter({
        ...{
          store,
          clock,
          scheduler: withoutPauses(time.scheduler),
          meter: openMetrics({ worker: 'tests' }).meter,
          maxLimits,
        },
        ...{ log: fail, jitter: () => 0, writer: `i${++instances}` },
      })
    },
  }
}

/** Runs tasks without a delay at once: the manual time stands still while a request is under way. */
function withoutPauses(scheduler: Scheduler): Scheduler {
  return {
    after(delayMs, task) {
      if (delayMs > 0) return scheduler.after(delayMs, task)
      const immediate = setImmediate(task)
      return () => clearImmediate(immediate)
    },
  }
}

function fail(_level: string, message: string): void {
  throw new Error(message)
}

function countedStore(store: LimitStore): CountedLimitStore {
  const counted: CountedLimitStore = {
    reads: 0,
    writes: 0,
    isDown: false,
    isBusy: false,
    losesReplies: false,
    async read(limit) {
      counted.reads++
      checkUp()
      return store.read(limit)
    },
    async write(limit, record, version, expiresAt) {
      counted.writes++
      checkUp()
      const result = await store.write(limit, record, version, expiresAt)
      return counted.losesReplies ? store.write(limit, record, version, expiresAt) : result
    },
    async tellTime() {
      counted.writes++
      checkUp()
      return store.tellTime()
    },
  }
  function checkUp(): void {
    if (counted.isBusy) throw new AppError('overloaded', 'Too many requests are under way.')
    if (counted.isDown) throw new AppError('store_unavailable', 'The store is down.')
  }
  return counted
}
