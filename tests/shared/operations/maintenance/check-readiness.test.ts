import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readinessCheck } from '../../../../shared/operations/maintenance/check-readiness.ts'
import { manualTime, rest } from '../../../support/memory/manual-time.ts'

type Needs = Parameters<typeof readinessCheck>[0]

const MIB = 1024 * 1024
const spool = { batches: 0, bytes: 0, oldestAgeMs: 0, pendingRevocations: 0 }

/** All healthy, except for `change`. */
function readiness(change: Partial<Needs> = {}) {
  const time = manualTime()
  const asked = { tables: 0 }
  const check = readinessCheck({
    providers: {
      find: async () => {
        asked.tables++
        return undefined
      },
    },
    queue: { depth: async () => 0 },
    guards: [{ name: 'tables_lookup', state: () => 'closed' }],
    keyLookup: {
      status: () => ({ feedAgeMs: 3000, cachedKeys: 2, replicaAgeMs: undefined, replicaKeys: 0 }),
    },
    limiter: { clockSkewSeconds: () => 0.01 },
    localSpool: { state: () => spool },
    keepsLocalFiles: true,
    clock: time.clock,
    scheduler: time.scheduler,
    ...change,
  })
  return { check, time, asked }
}

const faults: readonly (readonly [string, Partial<Needs>])[] = [
  ['tables', { providers: { find: () => Promise.reject(new Error('down')) } }],
  ['queue', { queue: { depth: () => Promise.reject(new Error('down')) } }],
  ['breaker_tables_lookup', { guards: [{ name: 'tables_lookup', state: () => 'open' }] }],
  ['local_files', { localSpool: { state: () => undefined } }],
  ['spool_full', { localSpool: { state: () => ({ ...spool, bytes: 90 * MIB }) } }],
  ['clock_skew', { limiter: { clockSkewSeconds: () => -5.1 } }],
]

describe('readiness', () => {
  test('finds no fault when all is well', async () => {
    expect((await readiness().check()).wrong).toEqual([])
  })

  test.each(faults)('names %s', async (name, change) => {
    expect((await readiness(change).check()).wrong).toEqual([name])
  })

  test('names no fault that the runbook does not explain', async () => {
    const text = await readFile(join(import.meta.dirname, '../../../../docs/operations.md'), 'utf8')
    for (const [name] of faults) expect(text).toContain(`| \`${name.replace('tables_lookup', '<name>')}\` |`)
  })

  test('accepts what is configured or merely unknown', async () => {
    const none = { state: () => undefined }
    expect((await readiness({ localSpool: none, keepsLocalFiles: false }).check()).wrong).toEqual([])
    expect((await readiness({ limiter: { clockSkewSeconds: () => undefined } }).check()).wrong).toEqual([])
    const probing = [{ name: 'tables_lookup', state: () => 'half_open' as const }]
    expect((await readiness({ guards: probing }).check()).wrong).toEqual([])
  })

  test('waits 2.5 s for a dependency, and no longer', async () => {
    const { check, time } = readiness({ queue: { depth: () => new Promise(() => undefined) } })
    let wrong: readonly string[] | undefined
    void check().then((found) => {
      wrong = found.wrong
    })
    await time.advance(2499)
    expect(wrong).toBeUndefined()
    await time.advance(1)
    await rest()
    expect(wrong).toEqual(['queue'])
  })

  test('leaves no timer behind', async () => {
    const { check, time } = readiness()
    await check()
    expect(time.scheduled()).toBe(0)
  })

  test('probes once for all calls within a second', async () => {
    const { check, time, asked } = readiness()
    await Promise.all([check(), check()])
    await time.advance(999)
    await check()
    expect(asked.tables).toBe(1)
    await time.advance(1)
    await check()
    expect(asked.tables).toBe(2)
  })
})
