import { AppError } from '../../../shared/domain/errors.ts'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import type { Limiter, LimitJournal, LimitStore } from '../../../shared/ports/limits.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { memoryLimitJournal } from '../memory/memory-limit-journal.ts'
import { memoryLimitStore } from '../memory/memory-limit-store.ts'
import { simulatedTime } from '../memory/simulated-time.ts'
import { seededRandom } from '../samples/random.ts'
import { type PlantedFault, spoiltDisk, takeOne } from './limit-trouble-faults.ts'
import { planOf, RUN_MS, START_MS } from './limit-trouble-plan.ts'
import { judgeTrouble, type TroubleVerdict } from './limit-trouble-verdict.ts'

export interface Trouble {
  readonly seed: number
  readonly planted?: PlantedFault
  /** No allowance in an outage. */
  readonly isClosed?: boolean
  /** Without outages every window must hold exactly. */
  readonly hasOutages?: boolean
  readonly hasEdits?: boolean
  /** Restarts with the disk kept, in the outage. */
  readonly restartsInOutage?: number
  /** The same with the disk lost. */
  readonly startsInOutage?: number
}

/** One edit: what applies from `atMs` on, when its reply left. */
export interface Policy {
  readonly atMs: number
  readonly limit: number
  readonly windowMs: number
  readonly version: number
}

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

const LEARN_MS = 10_000
const LATE_MS = 60_000
const { meter } = openMetrics({ worker: 'trouble' })
const fail = (...what: readonly unknown[]): void => {
  throw new Error(`The simulated limiter failed: ${what.map(String).join(' ')}`)
}

/**
 * One seeded run of 1 to 20 instances under one limit, with edits, rotations, outages, blips, restarts with and without a
 * disk, and new instances. Returns what the log of admitted uses shows.
 */
export async function simulateTrouble(trouble: Trouble): Promise<TroubleVerdict> {
  const random = seededRandom(trouble.seed)
  const between = (least: number, most: number) => least + random() * (most - least)
  const time = simulatedTime(START_MS)
  const plan = planOf(trouble, random)
  const base = memoryLimitStore({ now: () => new Date(time.nowMs()), monotonicMs: () => time.nowMs() })
  const store = troubledStore({
    base,
    isDown: () => plan.down.some(({ fromMs, toMs }) => fromMs <= time.nowMs() && time.nowMs() < toMs),
    pause: (ms) => new Promise((resolve) => time.scheduler.after(ms, resolve)),
    random,
  })
  const admitted: number[] = []
  let lives = 0

  function startLimiter(journal: LimitJournal): Limiter {
    const wallMs = between(-5000, 5000)
    const clock = { now: () => new Date(time.nowMs() + wallMs), monotonicMs: () => time.nowMs() }
    const writer = `i${lives++}`
    return limiter({ store, journal, clock, scheduler: time.scheduler, meter, log: fail, jitter: random, writer })
  }

  const fleet = Array.from({ length: plan.instances }, () => {
    const journal = memoryLimitJournal()
    return { journal, limiter: startLimiter(journal), delays: plan.policies.map(() => between(0, LEARN_MS)) }
  })
  for (const { atMs, index, keepsDisk } of plan.restarts) {
    time.at(atMs, () => {
      const instance = fleet[index % fleet.length]
      if (instance === undefined) return
      if (!keepsDisk) instance.journal = memoryLimitJournal()
      instance.limiter = startLimiter(spoiltDisk(trouble.planted, keepsDisk) ?? instance.journal)
    })
  }

  for (const { atMs, index } of plan.arrivals) {
    time.at(atMs, () => {
      const instance = fleet[index % fleet.length]
      if (instance === undefined) return
      time.disturb()
      const { limiter: asked } = instance
      const taken = (kind: string) => {
        // The answer of an instance that died meanwhile reaches nobody; its use is let through all the same.
        if (kind === 'taken') admitted.push(time.nowMs())
      }
      const taking = takeOne(asked, knownLimit(plan, trouble, time.nowMs(), instance.delays), trouble.planted)
      if (taking instanceof Promise) taking.then(({ kind }) => taken(kind), ignoreOutage)
      else taken(taking.kind)
    })
  }
  await time.run(START_MS + RUN_MS)
  return judgeTrouble({ admitted, policies: plan.policies, outages: plan.outages, isClosed: trouble.isClosed === true })
}

/** What an instance knows of the limit: each edit as much later than its reply as `delays` say. */
function knownLimit(
  { policies, first, rotations }: ReturnType<typeof planOf>,
  { planted, isClosed }: Trouble,
  nowMs: number,
  delays: readonly number[],
) {
  const delayOf = (index: number) => (planted === 'edits are learned late' ? LATE_MS : (delays[index] ?? 0))
  const known = policies.findLastIndex(({ atMs }, index) => atMs + (index === 0 ? 0 : delayOf(index)) <= nowMs)
  const rotation = rotations.filter((atMs) => atMs <= nowMs).length
  const limitUnder = ({ limit, windowMs, version }: Policy): Limit => ({
    ...{ subject: 'key:0', name: 'l', limit, version, holder: `k${rotation}` },
    window: { kind: 'sliding', seconds: windowMs / 1000 },
    ...(isClosed === true && { inOutage: 'refuse' as const }),
  })
  const before = policies[known - 1]
  return { limit: limitUnder(policies[known] ?? first), before: before && limitUnder(before), rotation }
}

function ignoreOutage(error: unknown): void {
  if (!(error instanceof AppError) || error.code !== 'store_unavailable') fail(error)
}

interface TroubledStoreNeeds {
  readonly base: LimitStore
  readonly isDown: () => boolean
  readonly pause: (ms: number) => Promise<void>
  readonly random: () => number
}

/** A store with latency that fails while it is down, and sometimes does a write whose reply is lost. */
function troubledStore({ base, isDown, pause, random }: TroubledStoreNeeds): LimitStore {
  const down = () => new AppError('store_unavailable', 'The store is down.')
  async function travel<Result>(work: () => Promise<Result>): Promise<Result> {
    await pause(2 + random() * 13)
    if (isDown()) {
      await pause(random() * 300)
      throw down()
    }
    const result = await work()
    await pause(2 + random() * 13)
    if (isDown()) throw down()
    return result
  }
  return {
    read: (limit) => travel(() => base.read(limit)),
    write: (limit, record, version, expiresAt) => travel(() => base.write(limit, record, version, expiresAt)),
    tellTime: () => travel(() => base.tellTime()),
  }
}
