import { setTimeout } from 'node:timers/promises'

const INTERVAL_MS = 20

/** Calls `ask` until it returns something other than undefined or false. Throws after `timeoutMs`. */
export async function poll<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs
  while (true) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadlineMs) throw new Error(`Not within ${timeoutMs} ms: ${ask}`)
    await setTimeout(INTERVAL_MS)
  }
}
