/** What bounds the retries towards one dependency, so that they cannot turn its bad minute into an overload. */
export interface RetryBudget {
  /** Called once for every request that is no retry. */
  requested(): void
  /** Takes one retry out of the budget; false: it is used up. */
  take(): boolean
}

const SHARE = 0.2
const FLOOR_PER_SECOND = 10
const HORIZON_SECONDS = 10

interface Second {
  at: number
  requests: number
  retries: number
}

/** In any 10 s: a fifth of the requests, and 10 retries a second beside that. */
export function retryBudget(nowMs: () => number): RetryBudget {
  const seconds: Second[] = []

  function current(): Second {
    const at = Math.floor(nowMs() / 1000)
    while (seconds[0] !== undefined && seconds[0].at <= at - HORIZON_SECONDS) seconds.shift()
    const last = seconds.at(-1)
    if (last?.at === at) return last
    const next = { at, requests: 0, retries: 0 }
    seconds.push(next)
    return next
  }

  return {
    requested() {
      current().requests++
    },
    take() {
      const now = current()
      const sum = (of: 'requests' | 'retries') => seconds.reduce((total, second) => total + second[of], 0)
      if (sum('retries') + 1 > sum('requests') * SHARE + FLOOR_PER_SECOND * HORIZON_SECONDS) return false
      now.retries++
      return true
    },
  }
}
