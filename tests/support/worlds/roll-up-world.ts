import { rollUpUsage } from '../../../shared/operations/usage/roll-up-usage.ts'
import type { UsageLedger } from '../../../shared/ports/usage.ts'
import type { RollUpMarks, UsageCopies } from '../../../shared/ports/usage-reports.ts'
import { rest } from '../memory/manual-time.ts'
import { type HeldPartition, memoryUsageLedger, streamed } from '../memory/memory-usage-ledger.ts'
import { memoryRollUpMarks, memoryUsageReports } from '../memory/memory-usage-reports.ts'
import { countInto, keyInShard, sampleDelta } from '../samples/usage-samples.ts'
import type { Move, World } from './explore.ts'

export interface RollUpPorts {
  readonly ledger: UsageLedger
  readonly marks: RollUpMarks
  readonly copies: UsageCopies
}

export interface RollUpScenario {
  /** Shards that count one use each, in this order, while the roll-ups run. Both shards have counted one use before. */
  readonly counting: readonly string[]
  /** How many of the two roll-ups may crash. A write in flight may then still land. */
  readonly crashes: number
  /** Plants a mistake in the roll-ups. */
  readonly plant?: (ports: RollUpPorts) => RollUpPorts
}

interface Step {
  readonly name: string
  readonly writes: boolean
  /** Executes the request without a reply. */
  land(): Promise<void>
  answer(): Promise<void>
}

interface Run {
  steps: Step[]
  replies: string[]
  done: boolean
}

type State = ReturnType<typeof startState>

const day = '20261122'
const clock = { now: () => new Date('2026-11-22T16:20:00.000Z'), monotonicMs: () => 0 }
/** The requests whose order matters. All other requests are answered at once. */
const gated = new Set(['scanMeta', 'scanRows', 'putKeyDays', 'findTotals', 'putTotals', 'write'])

function startState(scenario: RollUpScenario) {
  const reports = memoryUsageReports()
  return {
    scenario,
    ledger: memoryUsageLedger(),
    reports,
    marks: memoryRollUpMarks(),
    runs: [] as Run[],
    delayed: [] as Step[],
    counted: 0,
    crashesLeft: scenario.crashes,
    finished: false,
  }
}

/** Two roll-ups of one day and provider, with a key in each of two shards. Anything may happen between two requests. */
export function rollUpWorld(scenario: RollUpScenario): World {
  const state = startState(scenario)
  let started = false
  const begin = async () => {
    for (const shard of ['00', '01']) await countShard(state, shard, `before-${shard}`)
    state.runs.push(startRun(state), startRun(state))
    started = true
  }
  return {
    moves: () => (started ? movesOf(state) : [move('begins', begin)]),
    fingerprint: () => (started ? fingerprintOf(state) : 'new'),
    violation: () => violationOf(state),
  }
}

async function countShard(state: State, shard: string, batchId: string): Promise<void> {
  await countInto(state.ledger, [sampleDelta({ keyId: keyInShard(shard), hour: `${day}10` })], { batchId })
}

function startRun(state: State): Run {
  const run: Run = { steps: [], replies: [], done: false }
  const hold = <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    const { promise, resolve } = Promise.withResolvers<Result>()
    const step: Step = {
      name,
      writes: /^(?:put|write)/.test(name),
      land: async () => {
        await work()
      },
      answer: async () => {
        const result = await work()
        run.steps = run.steps.filter((one) => one !== step)
        run.replies.push(`${name} ${JSON.stringify(result)}`)
        resolve(result)
      },
    }
    run.steps.push(step)
    return promise
  }
  const ports = gate(state, hold)
  const planted = state.scenario.plant?.(ports) ?? ports
  void rollUpUsage({ ...planted, clock, log: () => undefined }).then(() => {
    run.done = true
  })
  return run
}

type Hold = <Result>(name: string, work: () => Promise<Result>) => Promise<Result>

/** A scan reads the fence, then the rows: other writers may commit in between. */
function gate({ ledger, marks, reports }: State, hold: Hold): RollUpPorts {
  const gates = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
        if (!gated.has(String(name))) return method
        return (...args: readonly unknown[]) =>
          hold(`${String(name)} ${JSON.stringify(args)}`, () => method.apply(target, [...args]))
      },
    })
  return {
    marks: gates(marks),
    copies: gates(reports),
    ledger: {
      ...ledger,
      scanCounters: async (partition) => {
        if (partition.day !== day || partition.shard > '01') return ledger.scanCounters(partition)
        const { meta } = await hold(`scanMeta ${partition.shard}`, () => ledger.scanCounters(partition))
        const rows = await hold(`scanRows ${partition.shard}`, async () => {
          return Array.fromAsync((await ledger.scanCounters(partition)).counters)
        })
        return { meta, counters: streamed(rows) }
      },
    },
  }
}

function move(name: string, act: () => Promise<void> | void): Move {
  return {
    name,
    take: async () => {
      await act()
      await rest()
    },
  }
}

function movesOf(state: State): readonly Move[] {
  const moves = state.runs.flatMap((run, at) => run.steps.map((step) => move(`${at}: ${step.name}`, step.answer)))
  const next = state.scenario.counting[state.counted]
  if (next !== undefined) {
    moves.push(move(`${next} COUNTS`, () => countShard(state, next, `during-${state.counted++}`)))
  }
  for (const step of state.delayed) {
    const land = async () => {
      state.delayed = state.delayed.filter((one) => one !== step)
      await step.land()
    }
    moves.push(move(`LANDS ${step.name}`, land))
  }
  if (state.crashesLeft > 0) moves.push(...state.runs.filter(({ done }) => !done).map((run) => crash(state, run)))
  return moves.length > 0 || state.finished ? moves : [move('the next roll-up runs undisturbed', () => finish(state))]
}

function crash(state: State, run: Run): Move {
  return move('CRASH', () => {
    state.crashesLeft--
    state.delayed.push(...run.steps.filter(({ writes }) => writes))
    state.runs = state.runs.filter((one) => one !== run)
  })
}

async function finish(state: State): Promise<void> {
  const { ledger, marks, reports } = state
  await rollUpUsage({ ledger, marks, copies: reports, clock, log: () => undefined })
  state.finished = true
}

/** Everything that a mark calls copied is copied, always; at the end everything is. */
function violationOf(state: State): string | undefined {
  const { keyDays, totals } = state.reports.held()
  const expected = keyDays.reduce((sum, row) => sum + row.total, 0)
  if (state.finished && totals[0]?.total !== expected) return `The totals are ${totals[0]?.total}, not ${expected}.`
  return state.ledger
    .held()
    .map((held) => uncopied(state, held))
    .find((violation) => violation !== undefined)
}

function uncopied(state: State, { partition, counters, meta }: HeldPartition): string | undefined {
  const { keyDays, totals } = state.reports.held()
  const mark = state.finished ? meta.batches : state.marks.held(partition)
  for (const row of [...counters.values()].filter(({ version }) => version <= mark)) {
    const copy = keyDays.find(({ keyId }) => keyId === row.keyId)
    if (copy?.total !== row.total) return `The copy of the key in shard ${partition.shard} is ${copy?.total}.`
    const reached = totals[0]?.versions[Number(partition.shard)] ?? 0
    if (reached < row.version) return `The totals have counted ${reached} batches of shard ${partition.shard}.`
  }
  return undefined
}

function fingerprintOf(state: State): string {
  const { keyDays, totals } = state.reports.held()
  return JSON.stringify([
    keyDays.map(({ keyId, version }) => [keyId, version]),
    totals.map(({ versions, total }) => [versions, total]),
    state.ledger.held().map(({ partition, meta }) => [meta.batches, state.marks.held(partition)]),
    state.runs.map(({ replies, steps }) => JSON.stringify([[...replies].sort(), steps.map(({ name }) => name)])).sort(),
    state.delayed.map(({ name }) => name).sort(),
    state.counted,
    state.crashesLeft,
    state.finished,
  ])
}
