import { AsyncLocalStorage } from 'node:async_hooks'

const storage = new AsyncLocalStorage<string>()

/** The turn of work that no caller waits for. */
export const OWN_WORK = ''

/** Runs `work`, and everything that it starts, in the turn of `name`: a provider, or a caller over all providers. */
export function inTurnOf<T>(name: string, work: () => T): T {
  return storage.run(name, work)
}

/** In whose turn this code runs. A bulkhead serves its turns one after the other. */
export function currentTurn(): string {
  return storage.getStore() ?? OWN_WORK
}
