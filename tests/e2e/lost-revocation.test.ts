import { describe, expect, it } from 'vitest'
import { runCutOff } from '../support/runs/cut-off-run.ts'
import { runLostInstance } from '../support/runs/lost-instance-run.ts'

const TIMEOUT_MS = 120_000
const SEED = 20_261_125
const STALE_SECONDS = 12

describe.concurrent('a revocation and an outage of the tables', () => {
  it('answered with 202, it outlives its instance: killed at once with its disk, the keys are dead everywhere', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const report = await runLostInstance(SEED)
    process.stdout.write(`revocation of a lost instance: ${JSON.stringify(report)}\n`)
    expect(report).toMatchObject({
      pending: ['202 pending', '202 pending'],
      verdicts: ['REVOKED', 'REVOKED', 'REVOKED', 'REVOKED'],
    })
  })

  it('on an instance that is cut off, the key is accepted for STALE_IF_ERROR_SECONDS at most, marked, then 503', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const report = await runCutOff(SEED, STALE_SECONDS)
    process.stdout.write(`revocation and a cut-off instance: ${JSON.stringify(report)}\n`)
    expect(report).toMatchObject({ undegraded: 0, last: ['503', '503'], management: ['503'] })
    expect(Object.keys(report.answers).toSorted()).toEqual(['503', 'VALID'])
    expect(report.oldestValidMs).toBeLessThanOrEqual(STALE_SECONDS * 1000)
    expect(report.refusedAfterMs).toBeLessThanOrEqual(10_000)
  })
})
