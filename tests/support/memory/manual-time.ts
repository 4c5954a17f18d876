import type { Clock, Scheduler } from '../../../shared/ports/runtime.ts'

/** A clock and a scheduler that only the test advances. */
export interface ManualTime {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Advances the clock and runs the due tasks in order, each to rest. */
  advance(ms: number): Promise<void>
  /** Advances the clock alone: for a process that is stopped, time passes and no task runs. */
  jump(ms: number): void
  /** The number of scheduled tasks. */
  scheduled(): number
}

interface Task {
  readonly dueMs: number
  readonly run: () => void
}

export function manualTime(start = '2026-11-22T16:00:00.000Z'): ManualTime {
  const tasks = new Set<Task>()
  let nowMs = Date.parse(start)

  const nextUntil = (endMs: number): Task | undefined =>
    [...tasks].filter((task) => task.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]

  return {
    clock: { now: () => new Date(nowMs), monotonicMs: () => nowMs },
    scheduler: {
      after: (delayMs, run) => {
        const task = { dueMs: nowMs + delayMs, run }
        tasks.add(task)
        return () => tasks.delete(task)
      },
    },
    advance: async (ms) => {
      const endMs = nowMs + ms
      await rest()
      for (let task = nextUntil(endMs); task !== undefined; task = nextUntil(endMs)) {
        tasks.delete(task)
        nowMs = Math.max(nowMs, task.dueMs)
        task.run()
        await rest()
      }
      nowMs = endMs
    },
    jump: (ms) => {
      nowMs += ms
    },
    scheduled: () => tasks.size,
  }
}

/** Resolves when every promise that waits for neither I/O nor a timer has settled. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
