import { describe, expect, test } from 'vitest'
import { dailyIdempotencyStore } from '../../../../shared/adapters/tables/daily-idempotency-store.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { oneMinute, startIdempotent } from '../../../../shared/operations/start-idempotent.ts'
import type { IdempotencyStore } from '../../../../shared/ports/idempotency.ts'
import { idempotencyStoreContract } from '../../../support/contracts/idempotency-store-contract.ts'
import { memoryIdempotencyStore } from '../../../support/memory/memory-idempotency-store.ts'
import { type SimulatedTime, simulatedTime } from '../../../support/memory/simulated-time.ts'
import { seededRandom } from '../../../support/samples/random.ts'

const MIDNIGHT = Date.parse('2026-11-23T00:00:00.000Z')
const SEEDS = 1500
const ATTEMPTS = 9
const SKEW_MS = 15_000
const PROMISED_MS = 60_000

function storesByDay(wrap: (store: IdempotencyStore) => IdempotencyStore = (store) => store) {
  const stores = new Map<string, IdempotencyStore>()
  return (day: string) => {
    const store = stores.get(day) ?? wrap(memoryIdempotencyStore())
    stores.set(day, store)
    return store
  }
}

for (const [when, ms] of [
  ['before midnight', -1],
  ['in the first 2 minutes of a day', 1000],
  ['later', 120_000],
] as const) {
  idempotencyStoreContract(`a store per day, ${when},`, () =>
    dailyIdempotencyStore(storesByDay(), { now: () => new Date(MIDNIGHT + ms) }),
  )
}

/** Delays each call before and after it takes effect. */
function slow(store: IdempotencyStore, time: SimulatedTime, random: () => number): IdempotencyStore {
  const pause = () => new Promise<void>((resolve) => time.scheduler.after(random() * 40, resolve))
  return new Proxy(store, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
      return async (...args: readonly unknown[]) => {
        await pause()
        const result = await method(...args)
        await pause()
        return result
      }
    },
  })
}

/** Attempts under one Idempotency-Key on instances with clocks of their own; returns when a verdict was made, in ms. */
async function attemptsOf(seed: number, spanMs: number): Promise<readonly number[]> {
  const random = seededRandom(seed)
  const beginMs = MIDNIGHT - 40_000 + random() * 200_000
  const time = simulatedTime(beginMs)
  const stores = storesByDay((store) => slow(store, time, random))
  const verdicts: number[] = []
  const attempt = async (): Promise<void> => {
    const skewMs = (random() - 0.5) * SKEW_MS
    const clock = { now: () => new Date(time.nowMs() + skewMs), monotonicMs: () => time.nowMs() }
    const needs = { idempotency: dailyIdempotencyStore(stores, clock), clock }
    const ids = { bytes: () => new Uint8Array(), id: () => 'seed' }
    const call = { callerId: 'acme', key: 'use-1', request: 'r' }
    const begunAtMs = time.nowMs()
    const start = await startIdempotent({ ...needs, random: ids }, call, oneMinute).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'idempotency_in_progress') return undefined
      throw error
    })
    if (start?.kind !== 'mine') return
    verdicts.push(begunAtMs)
    await new Promise<void>((resolve) => time.scheduler.after(random() * 400, resolve))
    await start.finish({ status: 200, headers: {}, body: null })
  }
  let failure: unknown
  let atMs = beginMs
  for (let number = 0; number < ATTEMPTS; number++) {
    // Half of them at nearly the same time as another.
    if (number % 2 === 0) atMs = beginMs + random() * spanMs
    time.at(atMs + random() * 100, () => {
      time.disturb()
      attempt().catch((error: unknown) => {
        failure ??= error
      })
    })
  }
  await time.run(beginMs + spanMs + 10_000)
  if (failure !== undefined) throw failure
  return verdicts.toSorted((a, b) => a - b)
}

describe('tries under one Idempotency-Key around midnight', () => {
  test(`make one verdict in 60 s, on instances whose clocks differ by 15 s (${2 * SEEDS} seeds)`, async () => {
    const twice: number[] = []
    let made = 0
    for (const spanMs of [20_000, 180_000]) {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const verdicts = await attemptsOf(seed, spanMs)
        made += verdicts.length
        const tooSoon = verdicts.some((at, index) => index > 0 && at - (verdicts[index - 1] ?? 0) < PROMISED_MS - 200)
        if (tooSoon) twice.push(seed)
      }
    }
    expect(twice).toEqual([])
    expect(made).toBeGreaterThan(2 * SEEDS)
  })
})
