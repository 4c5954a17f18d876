import { CallRejected } from './guard-errors.ts'

/** Bounds the work in flight. What waits for a place waits in a line per turn, and the turns alternate. */
export interface FairBulkhead {
  /**
   * Runs `work` when a place is free. `pay` runs first, in that place, and only one request pays at a time: the wait for
   * request units is fair too. Throws `CallRejected` where the lines are full, and what `pay` throws.
   */
  run<T>(request: BulkheadRequest<T>): Promise<T>
}

interface BulkheadRequest<T> {
  /** Requests of one turn are served first in, first out; of several turns, one of each in rotation. */
  readonly turn: string
  readonly pay: (() => Promise<void>) | undefined
  readonly work: () => Promise<T>
}

interface Waiting {
  readonly pay: (() => Promise<void>) | undefined
  readonly start: () => Promise<unknown>
  readonly reject: (error: unknown) => void
}

/** `queueMax` bounds all lines together. When they are full, the last of the longest line is rejected. */
export function fairBulkhead(concurrency: number, queueMax: number): FairBulkhead {
  const lines = waitingLines()
  let running = 0
  let isPaying = false

  function start({ start: work }: Waiting): void {
    void work().finally(() => {
      running--
      dispatch()
    })
  }

  async function payAndStart(next: Waiting, pay: () => Promise<void>): Promise<void> {
    isPaying = true
    try {
      await pay()
      start(next)
    } catch (error) {
      running--
      next.reject(error)
    }
    isPaying = false
    dispatch()
  }

  function dispatch(): void {
    while (running < concurrency && !isPaying) {
      const next = lines.next()
      if (next === undefined) return
      running++
      if (next.pay === undefined) start(next)
      else void payAndStart(next, next.pay)
    }
  }

  return {
    run<T>({ turn, pay, work }: BulkheadRequest<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const startWork = () => work().then(resolve, reject)
        lines.add(turn, { pay, start: startWork, reject })
        dispatch()
        if (lines.size() > queueMax) lines.dropLast()?.reject(new CallRejected('too many requests wait for it', 1))
      })
    },
  }
}

function waitingLines() {
  // A Map keeps the order of insertion: its first line has the next turn.
  const lines = new Map<string, Waiting[]>()
  let size = 0

  return {
    size: () => size,
    add(turn: string, waiting: Waiting): void {
      const line = lines.get(turn)
      if (line === undefined) lines.set(turn, [waiting])
      else line.push(waiting)
      size++
    },
    next(): Waiting | undefined {
      const [first] = lines
      if (first === undefined) return undefined
      const [turn, line] = first
      const next = line.shift()
      lines.delete(turn)
      if (line.length > 0) lines.set(turn, line)
      size--
      return next
    },
    /** The last of the longest line: a turn with a short line loses nothing to one with a long line. */
    dropLast(): Waiting | undefined {
      const longest = [...lines].reduce((a, b) => (b[1].length > a[1].length ? b : a))
      const [turn, line] = longest
      const last = line.pop()
      if (line.length === 0) lines.delete(turn)
      size--
      return last
    },
  }
}
