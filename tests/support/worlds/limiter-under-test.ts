import { AppError } from '../../../shared/domain/errors.ts'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import type { Limiter, LimitJournal, LimitStore } from '../../../shared/ports/limits.ts'
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
  /** Fails every write: before it was done, or after. */
  failsWrites: 'before' | 'after' | undefined
}

interface LimiterWorld {
  readonly time: ManualTime
  readonly store: CountedLimitStore
  /** Starts another instance on the same store; its machine's clock is `aheadMs` ahead. */
  readonly instance: (options?: InstanceOptions) => Limiter
  /** Takes the store down until this instance knows that it is gone. */
  readonly goOffline: (limiter: Limiter) => Promise<void>
  /** Advances the time until the promise settles. */
  readonly eventually: <Value>(promise: Value | Promise<Value>) => Promise<Value>
}

interface InstanceOptions {
  readonly aheadMs?: () => number
  readonly maxLimits?: number
  readonly journal?: LimitJournal
}

export function limiterWorld(): LimiterWorld {
  const time = manualTime()
  const store = countedStore(memoryLimitStore(time.clock))
  let instances = 0

  async function eventually<Value>(promise: Value | Promise<Value>): Promise<Value> {
    let isSettled = false
    const done = () => {
      isSettled = true
    }
    const settled = Promise.resolve(promise).finally(done)
    settled.catch(done)
    for (let step = 0; step < 200 && !isSettled; step++) await time.advance(step < 5 ? 0 : 100)
    return settled
  }

  return {
    time,
    store,
    eventually,
    async goOffline(limiter) {
      store.isDown = true
      await eventually(limiter.take([unread], 1))
    },
    instance({ aheadMs = () => 0, maxLimits = 1000, journal } = {}) {
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
        ...(journal && { journal }),
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
    failsWrites: undefined,
    async read(limit) {
      counted.reads++
      checkUp()
      return store.read(limit)
    },
    async write(limit, record, version, expiresAt) {
      counted.writes++
      checkUp()
      if (counted.failsWrites === 'before') throw down()
      const result = await store.write(limit, record, version, expiresAt)
      if (counted.failsWrites === 'after') throw down()
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
    if (counted.isDown) throw down()
  }
  return counted
}

const down = () => new AppError('store_unavailable', 'The store is down.')

const unread: Limit = { subject: 'key:unread', name: 'l', limit: 100, window: { kind: 'sliding', seconds: 60 } }
