import { type OutageReport, runOutage } from '../tests/support/runs/outage-run.ts'
import { print, reportGoal } from './support/report.ts'

// The store is down for ten minutes, first a black hole, then refusing connections; the host is SIGKILLed and restarted
// in the second half. `node bench/outage.ts [minutes]`. The keys are cached; a caller pauses 15 ms between calls.

const minutes = Number(process.argv[2] ?? 10)
const half = { lastsMs: minutes * 30_000, revokes: true } as const
/** Covers the time until the circuit breakers open, and the calls under way then. */
const SETTLED_MS = 10_000

const report = await runOutage({
  seed: 20_261_122,
  steps: [
    { name: 'opening', tables: 'blackhole', queues: 'blackhole', lastsMs: SETTLED_MS },
    { name: 'black hole', tables: 'blackhole', queues: 'blackhole', ...half },
    { name: 'refusing', tables: 'refuse', queues: 'refuse', ...half, killed: true },
    { name: 'back', tables: null, queues: null, lastsMs: 15_000 },
  ],
  perKind: 10,
  callers: 8,
  expireAfterMs: minutes * 20_000,
  drainMs: 300_000,
})
const down = report.steps.filter(({ name }) => name === 'black hole' || name === 'refusing')
const sum = (count: (step: OutageReport['steps'][number]) => number) => down.reduce((all, step) => all + count(step), 0)
const judged = sum(({ seen }) => seen.judged)
const wrong = sum(({ seen }) => seen.wrong.length)
for (const { name, seen } of report.steps) {
  const { latenciesMs, ...rest } = seen
  print(
    `${name} p50 ${percentile(latenciesMs, 0.5)} ms, p99 ${percentile(latenciesMs, 0.99)} ms ${JSON.stringify(rest)}`,
  )
}
print(JSON.stringify({ ...report, steps: undefined }))
reportGoal({ name: 'outage-known-judged', value: judged / (judged + wrong), unit: 'of-known-keys', atLeast: 1 })
reportGoal({ name: 'outage-unknown-refused', value: sum(refusedWrongly), unit: 'answers-other-than-503', atMost: 0 })
reportGoal({ name: 'outage-p99', value: Math.max(...down.map(p99Ms)), unit: 'ms', atMost: 25 })
reportGoal({ name: 'outage-lost', value: report.lost, unit: 'acknowledged-events', atMost: 0 })
reportGoal({ name: 'outage-double', value: report.double, unit: 'events', atMost: 0 })
reportGoal({ name: 'outage-spool-drained', value: report.spoolDrainedInMs / 1000, unit: 's', atMost: 60 })

function refusedWrongly({ seen }: OutageReport['steps'][number]): number {
  const wrongly = [...seen.unknown, ...seen.strangers].filter(([answer]) => answer !== '503' && answer !== 'unreached')
  return wrongly.reduce((all, [, times]) => all + times, 0)
}

function p99Ms({ seen }: OutageReport['steps'][number]): number {
  return percentile(seen.latenciesMs, 0.99)
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
}
