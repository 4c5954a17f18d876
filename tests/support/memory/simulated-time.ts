import type { Scheduler } from '../../../shared/ports/runtime.ts'

/** The time of a discrete-event simulation: it jumps from one event to the next. */
export interface SimulatedTime {
  nowMs(): number
  /** Schedules `task` at this instant. Tasks of one instant run in the order in which they were scheduled. */
  at(atMs: number, task: () => void): void
  readonly scheduler: Scheduler
  /** Runs every event up to then. Lets promises settle after a task of `scheduler` and after `disturb`. */
  run(untilMs: number): Promise<void>
  /** Marks that code may continue once promises have settled. */
  disturb(): void
}

interface Event {
  readonly atMs: number
  readonly order: number
  readonly task: () => void
}

export function simulatedTime(startMs: number): SimulatedTime {
  const heap: Event[] = []
  let nowMs = startMs
  let orders = 0
  let isDisturbed = false

  const at = (atMs: number, task: () => void) => push(heap, { atMs: Math.max(nowMs, atMs), order: orders++, task })

  return {
    nowMs: () => nowMs,
    at,
    scheduler: {
      after(delayMs, task) {
        let isCancelled = false
        at(nowMs + delayMs, () => {
          isDisturbed = true
          if (!isCancelled) task()
        })
        return () => {
          isCancelled = true
        }
      },
    },
    disturb: () => {
      isDisturbed = true
    },
    async run(untilMs) {
      for (let event = heap[0]; event !== undefined && event.atMs <= untilMs; event = heap[0]) {
        pop(heap)
        nowMs = event.atMs
        event.task()
        if (!isDisturbed) continue
        isDisturbed = false
        await new Promise(setImmediate)
      }
      nowMs = untilMs
    },
  }
}

const isBefore = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

function push(heap: Event[], event: Event): void {
  let place = heap.push(event) - 1
  while (place > 0) {
    const parent = (place - 1) >> 1
    const above = heap[parent]
    if (above === undefined || !isBefore(event, above)) break
    heap[place] = above
    place = parent
  }
  heap[place] = event
}

function pop(heap: Event[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let place = 0
  for (;;) {
    const left = 2 * place + 1
    const [a, b] = [heap[left], heap[left + 1]]
    const child = a !== undefined && b !== undefined && isBefore(b, a) ? left + 1 : left
    const below = heap[child]
    if (below === undefined || !isBefore(below, last)) break
    heap[place] = below
    place = child
  }
  heap[place] = last
}
