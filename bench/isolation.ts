import { loadNames } from '../tests/support/runs/isolation-loads.ts'
import { LIMIT, type LoadReport, PROMISED_MS, runIsolation } from '../tests/support/runs/isolation-run.ts'
import { print, reportGoal } from './support/report.ts'

// One tenant sends each dear call at full load to three hosts of one Azurite, while its neighbour uses warm, cold and
// limited keys and the operator revokes one. A second run has tables that charge request units and throttle.

const ALLOWED: ReadonlySet<string> = new Set(['cold VALID', 'warm VALID', 'limited VALID', 'limited RATE_LIMITED'])

report('azurite', await runIsolation({ loads: loadNames, msPerLoad: 15_000, atOnce: 12 }))
report(
  'units',
  await runIsolation({ loads: ['push of known keys', 'push'], msPerLoad: 30_000, atOnce: 4, unitsPerSecond: 600 }),
)

function report(name: string, loads: readonly LoadReport[]): void {
  for (const { latenciesMs, ...rest } of loads) print(JSON.stringify({ ...rest, p99Ms: percentile(latenciesMs, 0.99) }))
  const refused = loads.flatMap(({ neighbour }) =>
    Object.entries(neighbour).flatMap(([answer, times]) => (ALLOWED.has(answer) ? [] : [times])),
  )
  const worst = (of: (load: LoadReport) => number) => Math.max(...loads.map(of))
  const total = refused.reduce((sum, times) => sum + times, 0)
  reportGoal({
    name: `isolation-${name}-taken`,
    value: worst(({ taken }) => taken),
    unit: `uses-of-${LIMIT}`,
    atMost: LIMIT,
  })
  reportGoal({ name: `isolation-${name}-refused`, value: total, unit: 'answers-to-the-neighbour', atMost: 0 })
  const last = worst(({ lastAcceptedMs }) => lastAcceptedMs) / 1000
  reportGoal({ name: `isolation-${name}-revoked`, value: last, unit: 's', atMost: PROMISED_MS / 1000 })
  reportGoal({
    name: `isolation-${name}-p99`,
    value: worst(({ latenciesMs }) => percentile(latenciesMs, 0.99)),
    unit: 'ms',
    atMost: 500,
  })
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
}
