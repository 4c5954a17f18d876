import { describe, expect, it } from 'vitest'
import { loadNames } from '../support/runs/isolation-loads.ts'
import { LIMIT, type LoadReport, PROMISED_MS, runIsolation } from '../support/runs/isolation-run.ts'

/** Another build to run the test against: one with a shared bulkhead, or a shared purse of request units, fails it. */
const app = process.env.ISOLATION_APP === undefined ? {} : { appDir: process.env.ISOLATION_APP }
const TIMEOUT_MS = 180_000

describe('while one tenant sends a dear call at full load to three hosts', () => {
  it('its neighbour keeps its limits, verdicts and revocations', { timeout: TIMEOUT_MS }, async () => {
    const reports = await runIsolation({ loads: loadNames, msPerLoad: 6000, atOnce: 6, ...app })
    for (const report of reports) print(report)
    for (const report of reports) expectKept(report)
  })

  it('also where the store charges request units and throttles', { timeout: TIMEOUT_MS }, async () => {
    const reports = await runIsolation({
      loads: ['push of known keys'],
      msPerLoad: 12_000,
      atOnce: 2,
      unitsPerSecond: 600,
      ...app,
    })
    for (const report of reports) print(report)
    for (const report of reports) expectKept(report)
  })
})

function print({ latenciesMs, ...report }: LoadReport): void {
  const p99Ms = latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * 0.99)]
  process.stdout.write(`${JSON.stringify({ ...report, p99Ms })}\n`)
}

function expectKept(report: LoadReport): void {
  expect(report.taken).toBeLessThanOrEqual(LIMIT)
  expect(report.taken).toBeGreaterThan(0)
  const refused = Object.keys(report.neighbour).filter((answer) => !promised.has(answer))
  expect(refused).toEqual([])
  expect([...promised].filter((answer) => !(answer in report.neighbour))).toEqual(
    report.taken === LIMIT ? [] : ['limited RATE_LIMITED'],
  )
  expect(report.revokeStatus).toBe(200)
  expect(report.lastAcceptedMs).toBeLessThanOrEqual(PROMISED_MS)
}

const promised: ReadonlySet<string> = new Set(['cold VALID', 'warm VALID', 'limited VALID', 'limited RATE_LIMITED'])
