import type { Clock, Scheduler } from '../../ports/runtime.ts'

/** Those who wait for the acknowledgement of one message. */
export interface Pending {
  /** Rejects with the refusal when it takes too long. */
  acknowledged(): Promise<void>
  /** Resolves with the acknowledgement, however long it takes. */
  readonly settled: Promise<void>
  acknowledge(): void
  /** Whether the message should leave although there is room in it. */
  isDue(): boolean
  makeDue(then: () => void): void
}

interface Waiters {
  readonly sinceMs: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly cancelRefusal: () => void
}

interface PendingOptions {
  readonly refuseAfterMs: number
  readonly refusal: () => Error
}

/** Callers who come within an eighth of the deadline share one promise and the deadline of the first. */
export function pendingAcks(scheduler: Scheduler, clock: Clock, { refuseAfterMs, refusal }: PendingOptions): Pending {
  const groups: Waiters[] = []
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()
  let due = false

  const startGroup = (sinceMs: number): Waiters => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancelRefusal = scheduler.after(refuseAfterMs, () => {
      groups.splice(groups.indexOf(group), 1)
      reject(refusal())
    })
    const group: Waiters = { sinceMs, promise, resolve, cancelRefusal }
    groups.push(group)
    return group
  }

  return {
    settled,
    acknowledged: () => {
      const nowMs = clock.monotonicMs()
      const newest = groups.at(-1)
      const shared = newest !== undefined && nowMs - newest.sinceMs < refuseAfterMs / 8
      return (shared ? newest : startGroup(nowMs)).promise
    },
    acknowledge: () => {
      for (const group of groups) {
        group.cancelRefusal()
        group.resolve()
      }
      settle()
    },
    isDue: () => due,
    makeDue: (then) => {
      due = true
      then()
    },
  }
}
