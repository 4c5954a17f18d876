import { type KillReport, type KillRunOptions, runKillTest } from '../tests/support/runs/kill-run.ts'
import { print, reportGoal } from './support/report.ts'

// SIGKILLs hosts at random under load, while every request to the store may fail. `node bench/kill.ts [seed]` repeats a
// run, as far as processes and their timing are repeatable.

const seed = Number(process.argv[2] ?? Date.now() % 1_000_000)
const options: KillRunOptions = {
  seed,
  hosts: 3,
  durability: 'local',
  loadMs: 150_000,
  killEveryMs: 2500,
  validators: 16,
  pushers: 4,
  eventsPerPush: 400,
  drainMs: 90_000,
}
const report = await runKillTest(options)
const { reconciliation, ...numbers } = report
print(JSON.stringify(numbers, null, 2))
print(`hours ${JSON.stringify(reconciliation.hours.filter(({ applied, pushed }) => applied + pushed.accepted > 0))}`)
reportGoal({ name: 'kill-events', value: report.attempted, unit: 'events', atLeast: 50_000 })
reportGoal({ name: 'kill-kills', value: report.kills, unit: 'SIGKILLs', atLeast: 30 })
reportGoal({ name: 'kill-faults', value: countFaults(report), unit: 'faults', atLeast: 1000 })
reportGoal({ name: 'kill-lost', value: report.lost, unit: 'acknowledged-events', atMost: 0 })
reportGoal({ name: 'kill-double', value: report.double + report.pushesWrong, unit: 'events', atMost: 0 })
reportGoal({ name: 'kill-unreconciled', value: countUnreconciled(report), unit: 'batches-or-partitions', atMost: 0 })

function countFaults({ faults }: KillReport): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0)
}

function countUnreconciled({ reconciliation: { hours, partitions } }: KillReport): number {
  const unaccounted = hours.map(
    ({ batches, pushed }) => batches.missing + batches.in_flight + pushed.missing + pushed.in_flight,
  )
  return partitions.unbalanced.length + unaccounted.reduce((sum, count) => sum + count, 0)
}
