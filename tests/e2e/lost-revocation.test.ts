import { expect, it } from 'vitest'
import { runLostInstance } from '../support/runs/lost-instance-run.ts'

it('a revocation answered with 202 outlives its instance: killed at once with its disk, the keys are dead everywhere', {
  timeout: 120_000,
}, async () => {
  const report = await runLostInstance(20_261_125)
  process.stdout.write(`revocation of a lost instance: ${JSON.stringify(report)}\n`)
  expect(report).toMatchObject({
    pending: ['202 pending', '202 pending'],
    verdicts: ['REVOKED', 'REVOKED', 'REVOKED', 'REVOKED'],
  })
})
