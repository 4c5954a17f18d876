import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TakeOrder } from '../processes/limit-taker.ts'

/** Instances of the limiter on one store, one process each. */
export interface LimitTakers {
  /** All instances take at once. Resolves to how many requests each let through. */
  take(order: TakeOrder): Promise<readonly number[]>
  stop(): Promise<void>
}

export function startLimitTakers(count: number, connectionString: string): LimitTakers {
  const takers = Array.from({ length: count }, () =>
    fork(join(import.meta.dirname, '../processes/limit-taker.ts'), [connectionString], { execPath: process.execPath }),
  )
  return {
    take: (order) =>
      Promise.all(
        takers.map(async (taker) => {
          const answered = once(taker, 'message')
          taker.send(order)
          const [answer] = await answered
          if (typeof answer.taken === 'number') return answer.taken
          throw new Error(`An instance failed: ${answer.error}`)
        }),
      ),
    async stop() {
      const ended = takers.map((taker) => once(taker, 'exit'))
      for (const taker of takers) taker.disconnect()
      await Promise.all(ended)
    },
  }
}
