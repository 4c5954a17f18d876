import { tableLimitStore } from '../../../shared/adapters/tables/limit-store.ts'
import { tableAccess } from '../../../shared/adapters/tables/table-access.ts'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'

/**
 * One instance of the limiter. For every order of its parent it takes `times` times at once from `limit`, and replies
 * how many requests were let through. The argument is the connection string.
 */
export interface TakeOrder {
  readonly limit: Limit
  readonly times: number
}

const instance = limiter({
  store: tableLimitStore(tableAccess({ connectionString: process.argv[2] ?? '' })),
  clock: { now: () => new Date(), monotonicMs: () => performance.now() },
  scheduler: {
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs)
      return () => clearTimeout(timer)
    },
  },
  meter: openMetrics({ worker: 'taker' }).meter,
  log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
  jitter: Math.random,
  writer: `taker-${process.pid}`,
})

process.on('message', ({ limit, times }: TakeOrder) => {
  const takings = Promise.all(Array.from({ length: times }, () => instance.take([limit], 1)))
  takings.then(
    (done) => process.send?.({ taken: done.filter(({ kind }) => kind === 'taken').length }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
