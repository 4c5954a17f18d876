import type { KillRunOptions } from '../tests/support/runs/kill-load.ts'
import { type KillReport, runKillTest } from '../tests/support/runs/kill-run.ts'
import { print, reportGoal } from './support/report.ts'

// SIGKILLs hosts at random under load, while every request to the store may fail. A third of the kills take the disk
// along, except with `strict`. `node bench/kill.ts [seed] [queue|local|strict]` repeats a run, as far as processes and
// their timing are repeatable. With `local`, lost uses must show as lost disks.

const seed = Number(process.argv[2] ?? Date.now() % 1_000_000)
const durability = readDurability(process.argv[3] ?? 'queue')
const options: KillRunOptions = {
  seed,
  hosts: 3,
  durability,
  diskLossShare: durability === 'strict' ? 0 : 1 / 3,
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
const unseenDisks = Math.max(0, report.disksLost - reconciliation.spools.length)
if (durability !== 'local')
  reportGoal({ name: 'kill-lost', value: report.lost, unit: 'acknowledged-events', atMost: 0 })
reportGoal({ name: 'kill-unseen-disks', value: unseenDisks, unit: 'lost-disks', atMost: 0 })
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

function readDurability(text: string): KillRunOptions['durability'] {
  if (text === 'queue' || text === 'local' || text === 'strict') return text
  throw new RangeError(`There is no run for ${text}.`)
}
