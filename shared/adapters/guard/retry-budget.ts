/** Bounds the retries towards one dependency, so that they cannot turn its bad minute into an overload. */
export interface RetryBudget {
  /** Called once for every request that is no retry. */
  deposit(): void
  /** Withdraws one retry; false while the budget is exhausted. */
  tryWithdraw(): boolean
}

const RETRIES_PER_REQUEST = 0.2
const MIN_RETRIES_PER_SECOND = 10
const WINDOW_SECONDS = 10

interface Second {
  at: number
  requests: number
  retries: number
}

/** Allows in any 10 s a fifth of the requests, plus 10 retries a second. */
export function retryBudget(nowMs: () => number): RetryBudget {
  const seconds: Second[] = []

  function current(): Second {
    const at = Math.floor(nowMs() / 1000)
    while (seconds[0] !== undefined && seconds[0].at <= at - WINDOW_SECONDS) seconds.shift()
    const last = seconds.at(-1)
    if (last?.at === at) return last
    const next = { at, requests: 0, retries: 0 }
    seconds.push(next)
    return next
  }

  return {
    deposit() {
      current().requests++
    },
    tryWithdraw() {
      const now = current()
      const sum = (of: 'requests' | 'retries') => seconds.reduce((total, second) => total + second[of], 0)
      if (sum('retries') + 1 > sum('requests') * RETRIES_PER_REQUEST + MIN_RETRIES_PER_SECOND * WINDOW_SECONDS)
        return false
      now.retries++
      return true
    },
  }
}
