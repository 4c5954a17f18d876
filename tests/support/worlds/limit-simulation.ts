import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import type { Limiter, LimitStore } from '../../../shared/ports/limits.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { memoryLimitStore } from '../memory/memory-limit-store.ts'
import { type SimulatedTime, simulatedTime } from '../memory/simulated-time.ts'
import { seededRandom } from '../samples/random.ts'

/** Instances that share one limit, and their traffic. */
export interface LimitScenario {
  readonly seed: number
  readonly instances: number
  readonly limit: number
  readonly windowSeconds: number
  /** Offered requests over allowed requests. */
  readonly load: number
  readonly traffic: 'steady' | 'one busy' | 'bursts'
  readonly windows: number
  /** The largest error of an instance's samples of the store's time, in ms. */
  readonly clockErrorMs?: number
  /** The chance that a write ends in a crash of its instance. */
  readonly crashes?: number
  /** The chance that the reply to a write is lost, so that a write that was done is retried. */
  readonly lostReplies?: number
  /** The window the limiter is told; a shorter one than `windowSeconds` is a planted fault. */
  readonly toldSeconds?: number
}

export interface LimitOutcome {
  readonly offered: number
  readonly admitted: number
  /** How many requests an exact, central limiter would have let through. */
  readonly exact: number
  /** The most requests let through in any span of the window's length. */
  readonly most: number
  /** How many requests waited for the store. */
  readonly waited: number
  readonly reads: number
  readonly writes: number
}

const START_MS = Date.parse('2026-11-22T16:00:00.000Z')
const ROUND_TRIP_MS = [4, 30] as const

/** Runs the real limiter over a store with latency, in simulated time. The same seed gives the same run. */
export async function simulateLimit(scenario: LimitScenario): Promise<LimitOutcome> {
  const random = seededRandom(scenario.seed)
  const time = simulatedTime(START_MS)
  const { instances, windowSeconds, limit, windows } = scenario
  const counts = { reads: 0, writes: 0, waited: 0 }
  const base = memoryLimitStore({ now: () => new Date(time.nowMs()), monotonicMs: () => time.nowMs() })
  const fleet = Array.from({ length: instances }, (_, index) => startInstance(index))
  const asked: Limit = {
    subject: 'key:simulated',
    name: 'limit',
    limit,
    window: { kind: 'sliding', seconds: scenario.toldSeconds ?? windowSeconds },
  }

  function startInstance(index: number, life = 0): { current: Limiter } {
    const instance: { current: Limiter } = { current: newLimiter() }
    function newLimiter(): Limiter {
      const errorMs = (random() * 2 - 1) * (scenario.clockErrorMs ?? 0)
      const wallMs = (random() * 2 - 1) * 5000
      const clock = { now: () => new Date(time.nowMs() + wallMs), monotonicMs: () => time.nowMs() }
      const store = distantStore({
        base,
        time,
        random,
        counts,
        errorMs,
        scenario,
        crash: () => {
          instance.current = newLimiter()
        },
      })
      const writer = `i${index}-${life++}`
      return limiter({ store, clock, scheduler: time.scheduler, meter: quiet, log: fail, jitter: random, writer })
    }
    return instance
  }

  const arrivals = arrivalsOf(scenario, random)
  const admitted: number[] = []
  for (const { atMs, instance } of arrivals) {
    time.at(atMs, () => {
      // A synchronous answer may have started background work too.
      time.disturb()
      const taking = fleet[instance]?.current.take([asked], 1)
      if (!(taking instanceof Promise)) {
        if (taking?.kind === 'taken') admitted.push(time.nowMs())
        return
      }
      counts.waited++
      taking.then(({ kind }) => kind === 'taken' && admitted.push(time.nowMs()), fail)
    })
  }
  await time.run(START_MS + windows * windowSeconds * 1000)
  const windowMs = windowSeconds * 1000
  return {
    ...counts,
    offered: arrivals.length,
    admitted: admitted.length,
    exact: exactly(
      arrivals.map(({ atMs }) => atMs),
      limit,
      windowMs,
    ),
    most: mostWithin(admitted, windowMs),
  }
}

const { meter: quiet } = openMetrics({ worker: 'simulation' })
const fail = (...what: readonly unknown[]): void => {
  throw new Error(`The simulated limiter failed: ${what.map(String).join(' ')}`)
}

interface Distance {
  readonly base: LimitStore
  readonly time: SimulatedTime
  readonly random: () => number
  readonly counts: { reads: number; writes: number }
  readonly errorMs: number
  readonly scenario: LimitScenario
  readonly crash: () => void
}

/** The store as one instance sees it: with latency, and with the scenario's error in its time. */
function distantStore({ base, time, random, counts, errorMs, scenario, crash }: Distance): LimitStore {
  const [least, most] = ROUND_TRIP_MS
  const pause = (ms: number) => new Promise<void>((resolve) => time.scheduler.after(ms, resolve))
  async function travel<T>(work: () => Promise<T>): Promise<T> {
    const wayMs = (least + random() * (most - least)) / 2
    await pause(wayMs)
    const result = await work()
    await pause(wayMs)
    return result
  }
  const wrong = <T extends { fromMs: number; toMs: number }>(at: T) => ({
    fromMs: at.fromMs + errorMs,
    toMs: at.toMs + errorMs,
  })
  return {
    read(limit) {
      counts.reads++
      return travel(() => base.read(limit))
    },
    async write(limit, record, version, expiresAt) {
      counts.writes++
      const send = () => travel(() => base.write(limit, record, version, expiresAt))
      const first = await send()
      const result = random() < (scenario.lostReplies ?? 0) ? await send() : first
      if (random() < (scenario.crashes ?? 0)) {
        crash()
        return new Promise(() => undefined)
      }
      return result.kind === 'written' && result.at !== undefined ? { ...result, at: wrong(result.at) } : result
    },
    async tellTime() {
      counts.writes++
      return wrong(await travel(() => base.tellTime()))
    },
  }
}

function arrivalsOf(scenario: LimitScenario, random: () => number) {
  const { instances, traffic } = scenario
  const times = traffic === 'bursts' ? burstTimes(scenario, random) : poissonTimes(scenario, random)
  const choose = () => (traffic === 'one busy' && random() < 0.95 ? 0 : Math.floor(random() * instances))
  return times.sort((a, b) => a - b).map((sinceStartMs) => ({ atMs: START_MS + sinceStartMs, instance: choose() }))
}

/** A burst around the start of every wall-clock window, half of it before. */
function burstTimes({ limit, windowSeconds, load, windows }: LimitScenario, random: () => number): number[] {
  const windowMs = windowSeconds * 1000
  return Array.from({ length: Math.round(windows * limit * load) }, (_, request) => {
    const beginsMs = Math.floor(request / (limit * load)) * windowMs
    return beginsMs + (random() < 0.5 ? windowMs * 0.96 : 0) + random() * windowMs * 0.04
  })
}

function poissonTimes({ limit, windowSeconds, load, windows }: LimitScenario, random: () => number): number[] {
  const meanGapMs = (windowSeconds * 1000) / (limit * load)
  const times: number[] = []
  let atMs = 0
  while (atMs < windows * windowSeconds * 1000) {
    atMs += -Math.log(1 - random()) * meanGapMs
    times.push(atMs)
  }
  return times
}

/** How many requests pass with exact counting of every span. */
function exactly(times: readonly number[], limit: number, windowMs: number): number {
  const passed: number[] = []
  for (const atMs of times) {
    const nth = passed[passed.length - limit]
    if (nth === undefined || nth <= atMs - windowMs) passed.push(atMs)
  }
  return passed.length
}

/** The most times in any span of this length. */
export function mostWithin(times: readonly number[], windowMs: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  let most = 0
  let first = 0
  for (const [index, atMs] of sorted.entries()) {
    while (atMs - (sorted[first] ?? atMs) >= windowMs) first++
    most = Math.max(most, index - first + 1)
  }
  return most
}
