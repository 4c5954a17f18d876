import { AppError, isOutage, isOutcomeOpen } from '../../domain/errors.ts'
import { type Limit, outageModeOf } from '../../domain/limits/limit.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'

interface StoreConnectionNeeds {
  /** In ms since the epoch. */
  readonly now: () => number
  readonly scheduler: Scheduler
  readonly log: Log
}

/**
 * Tracks by use whether the store is up. One failure is no outage: after the first one the store is in doubt, and a probe
 * asks it every half second. It is offline when every attempt of 6 s failed, and up again with the first answer. The probes
 * go on each second then, so that an instance without requests notices the end of an outage too.
 */
export interface StoreConnection {
  /**
   * Runs work on the store. Waits while the store is in doubt, and then runs the work again. Returns without a result
   * where the store is offline and the limit has an allowance; throws `store_unavailable` where it has none.
   */
  use(limit: Limit, work: () => Promise<void>): Promise<void>
  /** Whether an allowance applies to this limit now. */
  isWithoutStore(limit: Limit): boolean
  isOffline(): boolean
  /** When the attempts began to fail, in ms since the epoch; undefined while the store is up. */
  failingSinceMs(): number | undefined
  /** Runs work that no caller waits for. Ignores an outage: the work is repeated when it is needed. */
  inBackground(work: Promise<unknown>): void
}

/** Longer than the hiccups of a store that is up: failover of a partition, a restart, a throttled second or two. */
const OFFLINE_AFTER_MS = 6000
const PROBE_EVERY_MS = 500
const RETRY_EVERY_MS = 1000
const TRIES_MAX = 3

/** Attempts fail since then: the store is in doubt while `settled` is pending, and offline after that. */
interface Failing {
  readonly sinceMs: number
  readonly settled: Promise<void>
  readonly settle: () => void
  isOffline: boolean
  /** While offline: no caller tries before. */
  retryAtMs: number
}

export function storeConnection(needs: StoreConnectionNeeds): StoreConnection {
  const { now, log } = needs
  const health = storeHealth(needs)

  /** An allowance needs no answer. */
  async function useOffline(limit: Limit, work: () => Promise<void>, retryAtMs: number): Promise<void> {
    const isDone = now() >= retryAtMs && (await health.attempt(work))
    if (!isDone && outageModeOf(limit) === 'refuse') throw unavailable()
  }

  /** False when the doubt has ended: the work is to be tried again. */
  async function isUsable(limit: Limit, work: () => Promise<void>, failing: Failing | undefined): Promise<boolean> {
    if (failing === undefined && (await health.attempt(work))) return true
    const { settled } = health.doubt(work)
    if (outageModeOf(limit) === 'allowance') return true
    await settled
    return false
  }

  return {
    async use(limit, work) {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        const failing = health.failing()
        if (failing?.isOffline === true) return useOffline(limit, work, failing.retryAtMs)
        if (await isUsable(limit, work, failing)) return
      }
      throw unavailable()
    },
    inBackground: (work) => inBackground(log, work),
    isOffline: () => health.failing()?.isOffline === true,
    isWithoutStore: (limit) => isAlone(health.failing(), limit),
    failingSinceMs: () => health.failing()?.sinceMs,
  }
}

interface StoreHealth {
  failing(): Failing | undefined
  /** True when the work was done. Throws what is no outage: our own refusal says nothing about the store. */
  attempt(work: () => Promise<void>): Promise<boolean>
  /** Begins to doubt the store, unless it is in doubt already. */
  doubt(work: () => Promise<void>): Failing
}

function storeHealth({ now, scheduler }: StoreConnectionNeeds): StoreHealth {
  let failing: Failing | undefined

  function recover(): void {
    failing?.settle()
    failing = undefined
  }

  async function attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
    } catch (error) {
      if (!isOutage(error)) throw error
      if (failing !== undefined) failing.retryAtMs = now() + RETRY_EVERY_MS
      return false
    }
    recover()
    return true
  }

  /** Any answer ends the doubt, also one that is an error. */
  async function isAnswered(work: () => Promise<void>): Promise<boolean> {
    try {
      return await attempt(work)
    } catch {
      recover()
      return true
    }
  }

  function beginDoubt(work: () => Promise<void>): Failing {
    const { promise, resolve } = Promise.withResolvers<void>()
    const begun = { sinceMs: now(), settled: promise, settle: resolve, isOffline: false, retryAtMs: now() }
    const probeLater = () => scheduler.after(begun.isOffline ? RETRY_EVERY_MS : PROBE_EVERY_MS, () => void probe())
    async function probe(): Promise<void> {
      if (failing !== begun || (await isAnswered(work)) || failing !== begun) return
      begun.isOffline ||= now() - begun.sinceMs >= OFFLINE_AFTER_MS
      if (begun.isOffline) begun.settle()
      probeLater()
    }
    probeLater()
    return begun
  }

  return {
    failing: () => failing,
    attempt,
    doubt(work) {
      failing ??= beginDoubt(work)
      return failing
    },
  }
}

function isAlone(failing: Failing | undefined, limit: Limit): boolean {
  const mode = outageModeOf(limit)
  return failing !== undefined && (mode === 'allowance' || (mode === 'wait' && failing.isOffline))
}

function inBackground(log: Log, work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    if (!isOutcomeOpen(error)) log('error', 'a limit could not be written', { error: nameOf(error) })
  })
}

function unavailable(): AppError {
  return new AppError('store_unavailable', 'The store did not answer. Try again.', { retryAfterSeconds: 1 })
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown'
}
