import type { Clock, Scheduler } from '../../ports/runtime.ts'

/** A turn of one subject. A subject's turns come at this rate. */
interface Turn {
  readonly subject: string
  readonly perSecond: number
}

/** Queues that slow work down, one for each subject. */
export interface LookupQueue {
  /**
   * Takes all of these turns, or none. Resolves when the work may begin, within 1 s. Returns undefined where a queue of
   * one of the subjects is full, or too many wait.
   */
  join(turns: readonly Turn[]): Promise<void> | undefined
}

/** A turn is never given for later than this. */
const WAIT_MS_MAX = 1000
const SUBJECTS_MAX = 10_000
/** Over all subjects. A subject whose queue is empty never waits, and so is not bound by it. */
const WAITING_MAX = 5_000

/**
 * A queue is the time of its next free turn, so it needs no memory for those who wait in it. Work of many turns begins
 * together at the first of them and puts its subject into debt: a batch of any size gets through, at the same rate.
 */
export function lookupQueue({
  clock,
  scheduler,
}: {
  readonly clock: Clock
  readonly scheduler: Scheduler
}): LookupQueue {
  const freeAtMs = new Map<string, number>()
  let waiting = 0

  function take({ subject, perSecond }: Turn, nowMs: number): void {
    const startMs = Math.max(nowMs, freeAtMs.get(subject) ?? nowMs)
    freeAtMs.delete(subject)
    freeAtMs.set(subject, startMs + 1000 / perSecond)
    const [oldest] = freeAtMs.keys()
    if (freeAtMs.size > SUBJECTS_MAX && oldest !== undefined) freeAtMs.delete(oldest)
  }

  function wait(delayMs: number): Promise<void> {
    waiting++
    return new Promise((resolve) => {
      scheduler.after(delayMs, () => {
        waiting--
        resolve()
      })
    })
  }

  return {
    join(turns) {
      const nowMs = clock.monotonicMs()
      const delayMs = Math.max(0, ...turns.map(({ subject }) => (freeAtMs.get(subject) ?? nowMs) - nowMs))
      if (delayMs > WAIT_MS_MAX || (delayMs > 0 && waiting >= WAITING_MAX)) return undefined
      for (const turn of turns) take(turn, nowMs)
      return delayMs > 0 ? wait(delayMs) : Promise.resolve()
    },
  }
}
