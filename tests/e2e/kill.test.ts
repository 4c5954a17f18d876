import { expect, it } from 'vitest'
import type { KillRunOptions } from '../support/runs/kill-load.ts'
import { runKillTest } from '../support/runs/kill-run.ts'

const TIMEOUT_MS = 180_000

async function run(change: Pick<KillRunOptions, 'durability' | 'diskLossShare' | 'loadMs'>) {
  const { reconciliation, ...report } = await runKillTest({
    seed: Date.now() % 1_000_000,
    hosts: 3,
    killEveryMs: 2000,
    validators: 12,
    pushers: 3,
    eventsPerPush: 300,
    drainMs: 60_000,
    ...change,
  })
  const { durability, diskLossShare } = change
  process.stdout.write(`kill test, ${durability}, ${diskLossShare} with the disk: ${JSON.stringify(report)}\n`)
  expect(report).toMatchObject({ double: 0, pushesWrong: 0, exits: [0, 0, 0] })
  expect(report.kills).toBeGreaterThanOrEqual(3)
  expect(Math.min(...Object.values(report.faults))).toBeGreaterThan(0)
  expect(report.acknowledged).toBeGreaterThan(1000)
  expect(reconciliation).toMatchObject({
    queue: { waiting: 0, poison: 0 },
    partitions: { unbalanced: [], unsettled: 0 },
    boots: [],
  })
  for (const { batches, pushed } of reconciliation.hours) {
    expect([batches.missing, batches.in_flight, pushed.missing, pushed.in_flight]).toEqual([0, 0, 0, 0])
  }
  return { reconciliation, report }
}

it('counts every acknowledged use once (strict) while hosts are SIGKILLed and the store cuts, loses, refuses and delays', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { report, reconciliation } = await run({ durability: 'strict', diskLossShare: 0, loadMs: 9000 })
  expect([report.lost, reconciliation.verdict, reconciliation.spools]).toEqual([0, 'ok', []])
})

it('loses no use that was answered without `degraded` (queue), and counts none twice, though every third kill takes the disk', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { report } = await run({ durability: 'queue', diskLossShare: 0.34, loadMs: 15_000 })
  expect(report.lost).toBe(0)
})

it('counts every acknowledged use once (local) while the disk outlives its process', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { report, reconciliation } = await run({ durability: 'local', diskLossShare: 0, loadMs: 9000 })
  expect([report.lost, reconciliation.verdict]).toEqual([0, 'ok'])
})

it('shows every lost disk in reconciliation (local) where every third kill takes the disk', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { report, reconciliation } = await run({ durability: 'local', diskLossShare: 0.34, loadMs: 12_000 })
  expect(report.disksLost).toBeGreaterThanOrEqual(1)
  expect(reconciliation.spools.length).toBeGreaterThanOrEqual(report.disksLost)
  expect(reconciliation.spools.length).toBeLessThanOrEqual(report.disksTaken + report.exits.length)
})
