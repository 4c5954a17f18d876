import { describe, expect, it } from 'vitest'
import { type OutageReport, type OutageStep, runOutage } from '../support/runs/outage-run.ts'

const TIMEOUT_MS = 300_000
const SPOOL_DRAINED_WITHIN_MS = 60_000

const down = { lastsMs: 6000, revokes: true } as const
const well: OutageStep = { name: 'back', tables: null, queues: null, lastsMs: 6000 }

/** Every failure mode of the store, on tables and queue together and on either alone, with recovery in between. */
const failures: readonly OutageStep[] = [
  { name: 'blackhole', tables: 'blackhole', queues: 'blackhole', ...down },
  { name: 'refuse', tables: 'refuse', queues: 'refuse', ...down },
  { name: '503', tables: 'unavailable', queues: 'unavailable', ...down },
  { name: '429', tables: 'throttled', queues: 'throttled', ...down },
  { name: 'slow drip', tables: 'drip', queues: 'drip', ...down },
  { name: 'reply lost', tables: 'replyLost', queues: 'replyLost', ...down },
  { name: 'tables alone', tables: 'blackhole', queues: null, ...down },
  { name: 'queue alone', tables: null, queues: 'blackhole', lastsMs: down.lastsMs },
  { name: 'Azurite stopped', tables: null, queues: null, stopped: true, ...down },
]
const healthy: OutageStep = { ...well, name: 'healthy' }
const matrix = [healthy, ...failures.flatMap((step) => [step, well])]

const options = { seed: 20_261_122, perKind: 3, callers: 6, drainMs: 150_000 } as const

describe.concurrent('while the store is down', () => {
  it('known keys get the right verdict in every kind of outage, unknown keys 503, and every use is counted once', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const report = await runOutage({ ...options, steps: matrix, expireAfterMs: 40_000 })
    print('failure matrix', report)
    expectRightAnswers(report)
    expectExactCounts(report)
  })

  it('for a minute, with the host SIGKILLed halfway: the replica serves, and the spool drains', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const step: OutageStep = { name: 'minute', tables: 'refuse', queues: 'refuse', lastsMs: 60_000, revokes: true }
    const report = await runOutage({ ...options, steps: [healthy, { ...step, killed: true }], expireAfterMs: 45_000 })
    print('a minute without a store', report)
    expectRightAnswers(report)
    expectExactCounts(report)
    expect(report.steps.at(-1)?.seen.degraded).toBeGreaterThan(0)
  })
})

function expectRightAnswers({ steps, revocations }: OutageReport): void {
  for (const { name, seen } of steps) {
    expect({ name, wrong: seen.wrong }).toEqual({ name, wrong: [] })
    expect({ name, malformed: answers(seen.malformed) }).toEqual({ name, malformed: ['MALFORMED'] })
    // A circuit breaker may still be open when the store is back.
    if (name === 'back') continue
    const tablesDown = !['healthy', 'queue alone'].includes(name)
    expect({ name, unknown: answers(seen.unknown) }).toEqual({ name, unknown: [tablesDown ? '503' : 'NOT_FOUND'] })
    expect({ name, strangers: answers(seen.strangers) }).toEqual({ name, strangers: [tablesDown ? '503' : '401'] })
    expect(seen.judged).toBeGreaterThan(0)
  }
  for (const revocation of revocations) {
    const { queueIsUp } = revocation
    // Without the queue it is not durable, but the disk of this instance survives, and replays it.
    expect(revocation).toEqual({ status: queueIsUp ? 202 : 503, queueIsUp, refusedAtOnce: true, stored: 'revoked' })
  }
}

function expectExactCounts(report: OutageReport): void {
  expect(report).toMatchObject({ lost: 0, double: 0 })
  expect(report.acknowledged).toBeGreaterThan(1000)
  expect(report.spoolDrainedInMs).toBeLessThanOrEqual(SPOOL_DRAINED_WITHIN_MS)
}

const answers = (seen: ReadonlyMap<string, number>) => [...seen.keys()].filter((answer) => answer !== 'unreached')

function print(name: string, { steps, ...report }: OutageReport): void {
  const lines = steps.map(({ name: step, seen }) => {
    const { latenciesMs, ...rest } = seen
    const sorted = latenciesMs.toSorted((a, b) => a - b)
    const p99Ms = sorted[Math.floor(sorted.length * 0.99)]
    return `  ${step}: ${JSON.stringify({ ...rest, unknown: [...seen.unknown], malformed: [...seen.malformed], strangers: [...seen.strangers], p99Ms })}`
  })
  process.stdout.write(`${name}: ${JSON.stringify(report)}\n${lines.join('\n')}\n`)
}
