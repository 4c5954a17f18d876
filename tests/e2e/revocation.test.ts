import { describe, expect, it } from 'vitest'
import {
  histogram,
  NO_REPLY,
  PROMISED_MS,
  type RevocationReport,
  runRevocations,
} from '../support/runs/revocation-run.ts'

const TIMEOUT_MS = 180_000
const options = { seed: 20_261_122, hosts: 3, keys: 200, revokesPerSecond: 25, bystanders: 4, stoppedMs: 0 } as const

describe('a revoked key at three instances, every other key unused from before its revocation on', () => {
  it('is accepted by no instance 10 s after the reply to the revocation', { timeout: TIMEOUT_MS }, async () => {
    expectKept('three instances', await runRevocations(options))
  })

  it('nor by an instance that was stopped for 15 s meanwhile', { timeout: TIMEOUT_MS }, async () => {
    expectKept('one of three stopped', await runRevocations({ ...options, stoppedMs: 15_000 }))
  })
})

function expectKept(name: string, report: RevocationReport): void {
  const { lastAcceptedMs, ...rest } = report
  process.stdout.write(`${name}: last accepted use after the reply\n${histogram(report)}\n${JSON.stringify(rest)}\n`)
  expect(rest).toMatchObject({ revoked: options.keys, tooLate: 0 })
  // A process that continues after a stop may get no reply from the store in time: 503 is no verdict, and it is rare.
  expect(rest.answers['503'] ?? 0).toBeLessThan(options.keys / 10)
  const verdicts = Object.keys(rest.answers).filter((answer) => answer !== NO_REPLY && answer !== '503')
  expect(verdicts.toSorted()).toEqual(['REVOKED', 'VALID'])
  expect(rest.restingUses).toBe((options.keys / 2) * options.hosts)
  expect(Math.max(...lastAcceptedMs)).toBeLessThanOrEqual(PROMISED_MS)
  // Other instances serve from the cache for a while: otherwise this test would prove nothing.
  expect(Math.max(...lastAcceptedMs)).toBeGreaterThan(0)
}
