import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { RecordedUse } from '../../ports/usage.ts'

/** The callers that wait for the acknowledgement of one message. */
export interface PendingAcks {
  /** Rejects with the refusal after the deadline. */
  acknowledged(): Promise<RecordedUse>
  /** Resolves with the acknowledgement. Has no deadline. */
  readonly delivered: Promise<void>
  acknowledge(as: RecordedUse): void
  /** Whether the message is sent although it has room. */
  isDue(): boolean
  makeDue(then: () => void): void
}

interface Waiters {
  readonly sinceMs: number
  readonly promise: Promise<RecordedUse>
  readonly resolve: (as: RecordedUse) => void
  readonly cancelRefusal: () => void
}

interface PendingAcksOptions {
  readonly refuseAfterMs: number
  readonly refusal: () => Error
}

/** Callers that come within an eighth of the deadline share one promise, and the deadline of the first of them. */
export function pendingAcks(
  scheduler: Scheduler,
  clock: Clock,
  { refuseAfterMs, refusal }: PendingAcksOptions,
): PendingAcks {
  const groups: Waiters[] = []
  const { promise: delivered, resolve: deliver } = Promise.withResolvers<void>()
  let due = false

  const startGroup = (sinceMs: number): Waiters => {
    const { promise, resolve, reject } = Promise.withResolvers<RecordedUse>()
    const cancelRefusal = scheduler.after(refuseAfterMs, () => {
      groups.splice(groups.indexOf(group), 1)
      reject(refusal())
    })
    const group: Waiters = { sinceMs, promise, resolve, cancelRefusal }
    groups.push(group)
    return group
  }

  return {
    delivered,
    acknowledged: () => {
      const nowMs = clock.monotonicMs()
      const newest = groups.at(-1)
      const shared = newest !== undefined && nowMs - newest.sinceMs < refuseAfterMs / 8
      return (shared ? newest : startGroup(nowMs)).promise
    },
    acknowledge: (as) => {
      for (const group of groups) {
        group.cancelRefusal()
        group.resolve(as)
      }
      deliver()
    },
    isDue: () => due,
    makeDue: (then) => {
      due = true
      then()
    },
  }
}
