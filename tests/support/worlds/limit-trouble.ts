import { AppError } from '../../../shared/domain/errors.ts'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import type { Limiter, LimitJournal, LimitStore } from '../../../shared/ports/limits.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { memoryLimitJournal } from '../memory/memory-limit-journal.ts'
import { memoryLimitStore } from '../memory/memory-limit-store.ts'
import { simulatedTime } from '../memory/simulated-time.ts'
import { seededRandom } from '../samples/random.ts'
import { judgeTrouble, type TroubleVerdict } from './limit-trouble-verdict.ts'

/** What is planted in the limiter or its surroundings: a fault that the verdict must show. */
export type PlantedFault = 'edits are learned late' | 'the disk forgets' | 'a rotation starts over'

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

const START_MS = Date.parse('2026-11-22T16:00:00.000Z')
const RUN_MS = 240_000
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

  const diskOf = () => (trouble.planted === 'the disk forgets' ? memoryLimitJournal() : undefined)
  const fleet = Array.from({ length: plan.instances }, () => {
    const journal = memoryLimitJournal()
    return { journal, limiter: startLimiter(journal), delays: plan.policies.map(() => between(0, LEARN_MS)) }
  })
  for (const { atMs, index, keepsDisk } of plan.restarts) {
    time.at(atMs, () => {
      const instance = fleet[index % fleet.length]
      if (instance === undefined) return
      if (!keepsDisk) instance.journal = memoryLimitJournal()
      instance.limiter = startLimiter(diskOf() ?? instance.journal)
    })
  }

  /** What this instance knows of the limit now: each edit up to 10 s after its reply. */
  function knownTo(delays: readonly number[]): Limit {
    const delayOf = (index: number) => (trouble.planted === 'edits are learned late' ? LATE_MS : (delays[index] ?? 0))
    const known = plan.policies.findLast(({ atMs }, index) => atMs + (index === 0 ? 0 : delayOf(index)) <= time.nowMs())
    const { limit, windowMs, version } = known ?? plan.first
    const rotation = plan.rotations.filter((atMs) => atMs <= time.nowMs()).length
    return {
      ...{ subject: trouble.planted === 'a rotation starts over' ? `key:${rotation}` : 'key:0', name: 'l', limit },
      ...{ window: { kind: 'sliding', seconds: windowMs / 1000 }, holder: `k${rotation}` },
      version,
      ...(trouble.isClosed === true && { inOutage: 'refuse' as const }),
    }
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
      const taking = asked.take([knownTo(instance.delays)], 1)
      if (taking instanceof Promise) taking.then(({ kind }) => taken(kind), ignoreOutage)
      else taken(taking.kind)
    })
  }
  await time.run(START_MS + RUN_MS)
  return judgeTrouble({ admitted, policies: plan.policies, outages: plan.outages, isClosed: trouble.isClosed === true })
}

function ignoreOutage(error: unknown): void {
  if (!(error instanceof AppError) || error.code !== 'store_unavailable') fail(error)
}

function planOf({ hasOutages = true, hasEdits = true, restartsInOutage = 0 }: Trouble, random: () => number) {
  const between = (least: number, most: number) => least + random() * (most - least)
  const whole = (least: number, most: number) => Math.floor(between(least, most + 1))
  const choose = <Item>(items: readonly [Item, ...Item[]]): Item => items[whole(0, items.length - 1)] ?? items[0]
  const instances = choose([1, 2, 3, 5, 10, 20])
  const limits = [10, 20, 50, 100, 200] as const
  const windows = [10_000, 20_000, 30_000, 60_000] as const
  const first: Policy = { atMs: START_MS, limit: choose(limits), windowMs: choose(windows), version: 0 }
  const policies = [first]
  for (const atMs of hasEdits ? [between(30_000, 80_000), between(110_000, 160_000)] : []) {
    const before = policies.at(-1) ?? first
    const windowMs = random() < 0.5 ? before.windowMs : choose(windows)
    policies.push({ atMs: START_MS + atMs, limit: choose(limits), windowMs, version: policies.length })
  }
  const outages: Span[] = []
  if (hasOutages) {
    const fromMs = START_MS + between(170_000, 190_000)
    outages.push({ fromMs, toMs: fromMs + between(8000, 45_000) })
  }
  const blips = Array.from({ length: whole(0, 6) }, () => {
    const fromMs = START_MS + between(0, RUN_MS)
    return { fromMs, toMs: fromMs + between(200, 5000) }
  })
  const perMs = (Math.max(...policies.map(({ limit }) => limit)) / first.windowMs) * between(0.5, 3)
  const arrivals: { atMs: number; index: number }[] = []
  for (let atMs = START_MS; atMs < START_MS + RUN_MS; atMs += -Math.log(1 - random()) / perMs)
    arrivals.push({ atMs, index: random() < 0.3 ? 0 : whole(0, instances - 1) })
  const restarts = Array.from({ length: whole(0, Math.min(8, instances * 2)) }, () => ({
    ...{ atMs: START_MS + between(0, RUN_MS), index: whole(0, instances - 1), keepsDisk: random() < 0.5 },
  }))
  for (const { fromMs, toMs } of outages)
    for (let restart = 0; restart < restartsInOutage; restart++)
      restarts.push({ atMs: between(fromMs, toMs), index: whole(0, instances - 1), keepsDisk: true })
  const rotations = Array.from({ length: whole(0, 3) }, () => START_MS + between(0, 160_000)).sort((a, b) => a - b)
  return {
    instances,
    first,
    policies,
    outages,
    down: [...outages, ...separate(blips, outages)],
    arrivals,
    restarts,
    rotations,
  }
}

/** Blips that touch each other, or an outage, would be one longer outage. */
function separate(blips: readonly Span[], outages: readonly Span[]): Span[] {
  const kept: Span[] = []
  for (const blip of blips) {
    const isApart = ({ fromMs, toMs }: Span) => blip.toMs + 2000 < fromMs || toMs + 2000 < blip.fromMs
    if ([...kept, ...outages].every(isApart)) kept.push(blip)
  }
  return kept
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
