import { expect, it } from 'vitest'
import { runKillTest } from '../support/runs/kill-run.ts'

const TIMEOUT_MS = 180_000

it.each(['local', 'strict'] as const)(
  'counts every acknowledged use once (%s) while hosts are SIGKILLed and the store cuts, loses, refuses and delays',
  {
    timeout: TIMEOUT_MS,
  },
  async (durability) => {
    const { reconciliation, ...report } = await runKillTest({
      seed: Date.now() % 1_000_000,
      hosts: 3,
      durability,
      loadMs: 15_000,
      killEveryMs: 2500,
      validators: 12,
      pushers: 3,
      eventsPerPush: 300,
      drainMs: 60_000,
    })
    process.stdout.write(`kill test, ${durability}: ${JSON.stringify(report)}\n`)

    expect(report).toMatchObject({ lost: 0, double: 0, pushesWrong: 0 })
    expect(report.kills).toBeGreaterThanOrEqual(3)
    expect(Math.min(...Object.values(report.faults))).toBeGreaterThan(0)
    expect(report.acknowledged).toBeGreaterThan(1000)
    expect(report.exits).toEqual([0, 0, 0])
    expect(reconciliation).toMatchObject({
      verdict: 'ok',
      queue: { waiting: 0, poison: 0 },
      partitions: { unbalanced: [], unsettled: 0 },
      boots: [],
    })
    for (const { batches, pushed } of reconciliation.hours) {
      expect([batches.missing, batches.in_flight, pushed.missing, pushed.in_flight]).toEqual([0, 0, 0, 0])
    }
  },
)
