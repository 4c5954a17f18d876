import { describe, expect, test } from 'vitest'
import { explore } from '../../../support/worlds/explore.ts'
import { type RollUpPorts, rollUpWorld } from '../../../support/worlds/roll-up-world.ts'

describe('two roll-ups that overlap, while uses are counted', () => {
  test('never mark anything as copied that is not, and the next run makes every copy right', {
    timeout: 120_000,
  }, async () => {
    const { found, states, steps, ends } = await explore(() => rollUpWorld({ counting: ['00', '01'], crashes: 0 }))
    process.stdout.write(`roll-ups that overlap: ${states} states, ${steps} steps, ${ends} ends\n`)
    expect(found).toBeUndefined()
  })

  test('may crash at every await, with writes that land afterwards', { timeout: 120_000 }, async () => {
    const { found, states, steps, ends } = await explore(() => rollUpWorld({ counting: ['00'], crashes: 1 }))
    process.stdout.write(`roll-ups that crash: ${states} states, ${steps} steps, ${ends} ends\n`)
    expect(found).toBeUndefined()
  })
})

describe('the enumeration of roll-ups finds a planted mistake:', () => {
  const mistakes: Record<string, (ports: RollUpPorts) => RollUpPorts> = {
    'the fence is read after the rows': ({ ledger, ...ports }) => ({
      ...ports,
      ledger: {
        ...ledger,
        scanCounters: async (partition) => {
          const { counters } = await ledger.scanCounters(partition)
          const { meta } = await ledger.scanCounters(partition)
          return { counters, meta }
        },
      },
    }),
    'older copies replace newer ones': ({ copies, ...ports }) => {
      let version = 1000
      const putKeyDays: RollUpPorts['copies']['putKeyDays'] = (scope, rows) =>
        copies.putKeyDays(
          scope,
          rows.map((row) => ({ ...row, version: ++version })),
        )
      return { ...ports, copies: { ...copies, putKeyDays } }
    },
    'older totals replace newer ones': ({ copies, ...ports }) => ({
      ...ports,
      copies: {
        ...copies,
        findTotals: async (scope, day) => {
          const found = await copies.findTotals(scope, day)
          return found && { ...found, value: { ...found.value, versions: [] } }
        },
      },
    }),
    'the marks are written before the copies': ({ copies, marks, ...ports }) => ({
      ...ports,
      marks,
      copies: {
        ...copies,
        putKeyDays: async (scope, rows) => {
          await marks.write({ day: '20261122', shard: '00' }, Math.max(...rows.map(({ version }) => version)))
          await copies.putKeyDays(scope, rows)
        },
      },
    }),
  }

  test.for(Object.entries(mistakes))('%s', { timeout: 120_000 }, async ([, plant]) => {
    const { found } = await explore(() => rollUpWorld({ counting: ['00', '01'], crashes: 1, plant }))
    expect(found?.violation).toBeDefined()
  })
})
