import { setTimeout } from 'node:timers/promises'
import { readCpuTimeUs } from './cpu-time.ts'
import { COUNTED_SHARE, type LoadJob, type LoadReport, sendLoad } from './load.ts'
import { median, print, round } from './report.ts'

/** A server process and the load sent to it. */
export interface Contestant {
  readonly pid: number
  readonly job: LoadJob
}

interface ContestOptions {
  /** The first round only warms up. */
  readonly rounds: number
  /** The pause between two turns, for background work. */
  readonly restMs: number
  /** The share of bad answers allowed per turn: on a busy machine the store answers too late for some uses. */
  readonly badShareMax: number
}

interface Turn extends LoadReport {
  readonly cpuUsPerRequest: number
}

/** Good replies per second of each contestant: the median over the rounds, with one turn each per round. */
export async function compare<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  { rounds, restMs, badShareMax }: ContestOptions,
): Promise<Readonly<Record<Name, number>>> {
  const entries = Object.entries(contestants) as [Name, Contestant][]
  const turns = new Map<Name, Turn[]>(entries.map(([name]) => [name, []]))
  for (let roundNumber = 0; roundNumber <= rounds; roundNumber++) {
    for (const [name, contestant] of entries) {
      const turn = await takeTurn(contestant)
      if (roundNumber > 0) turns.get(name)?.push(holdGood(name, turn, badShareMax))
      await setTimeout(restMs)
    }
  }
  const medians = entries.map(([name]) => [name, summarize(name, turns.get(name) ?? [])])
  return Object.fromEntries(medians) as Record<Name, number>
}

async function takeTurn({ pid, job }: Contestant): Promise<Turn> {
  const before = readCpuTimeUs(pid)
  const report = await sendLoad(job)
  return { ...report, cpuUsPerRequest: ((readCpuTimeUs(pid) - before) / report.replies) * COUNTED_SHARE }
}

/** Counts only good answers. Throws when too many are bad. */
function holdGood(name: string, turn: Turn, badShareMax: number): Turn {
  const good = turn.statuses['200'] ?? 0
  const bad = turn.broken + turn.replies - good
  if (bad > 0) print(`${name}: ${bad} bad answers: ${JSON.stringify(turn.statuses)}, ${turn.broken} broken connections`)
  if (good === 0 || bad > turn.replies * badShareMax) throw new Error(`Too many of the answers of ${name} are bad.`)
  return { ...turn, perSecond: (turn.perSecond * good) / turn.replies }
}

function summarize(name: string, turns: readonly Turn[]): number {
  const medianOf = (pick: (turn: Turn) => number) => median(turns.map(pick))
  const perSecond = medianOf((turn) => turn.perSecond)
  const cpuUs = round(medianOf((turn) => turn.cpuUsPerRequest))
  const [p50, p99] = [
    round(medianOf(({ latencyMs }) => latencyMs.p50)),
    round(medianOf(({ latencyMs }) => latencyMs.p99)),
  ]
  print(`${name}: ${Math.round(perSecond)} per second, ${cpuUs} µs of CPU each, p50 ${p50} ms, p99 ${p99} ms`)
  return perSecond
}
