import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { activeSeconds, estimate, type Load, total } from '../../scripts/cost/estimate.ts'
import data from '../../scripts/cost/prices.json' with { type: 'json' }
import { timerRuns } from '../../scripts/cost/timer-runs.ts'
import { runScript } from '../support/infra/run-script.ts'

const root = join(import.meta.dirname, '../..')

/** A month of five timers and no alarms, which the golden figures of the design are about. */
const load: Load = {
  ...{ validations: 1_000_000, keys: 0, timerRuns: 51_930, hosting: 'flex', memoryMB: 512, alwaysReady: 0 },
  ...{
    usesPerMessage: 1,
    alertMinutes: [],
    privateNetwork: false,
    telemetryItemsPerSecond: 5,
    logDailyCapGb: 2,
    nodes: 2,
  },
}
const parts = (edit: Partial<Load> = {}) =>
  new Map(estimate({ ...load, ...edit }).map(({ part, usd }) => [part, usd] as const))
const sum = (lines: ReadonlyMap<string, number>, ...names: string[]) =>
  names.reduce((result, name) => result + (lines.get(name) ?? Number.NaN), 0)

describe('the cost of a month', () => {
  test.each([
    [512, 9.2],
    [2048, 43.6],
  ])('of a million even validations on Flex with %i MB is %f USD, with timers and the free grant', (memoryMB, usd) => {
    expect(sum(parts({ memoryMB }), 'validations', 'timers', 'free grant')).toBeCloseTo(usd, 1)
  })

  test.each([
    [512, 5.2],
    [2048, 20.7],
  ])('of one instance of %i MB that always runs and is idle is %f USD', (memoryMB, usd) => {
    expect(parts({ memoryMB, alwaysReady: 1 }).get('always ready, idle')).toBeCloseTo(usd, 1)
  })

  test('of the logs of a million validations is 4.60 USD for 2 GB, and has a cap', () => {
    expect(parts().get('logs')).toBeCloseTo(4.6, 2)
    const capped = parts({ validations: 1e9, telemetryItemsPerSecond: 1000, logDailyCapGb: 1 })
    expect(capped.get('logs')).toBeCloseTo(30 * 2.3, 2)
  })

  test('falls with the uses that share a message', () => {
    const [alone, shared] = [parts(), parts({ usesPerMessage: 80 })]
    expect(shared.get('queue')).toBeCloseTo(sum(alone, 'queue') / 80, 6)
    expect(sum(shared, 'counting')).toBeLessThan(sum(alone, 'counting') / 20)
  })

  test('has no compute beyond the free grant for a quiet month on Windows Consumption', () => {
    expect(parts({ hosting: 'windowsConsumption', validations: 400_000 }).get('compute')).toBe(0)
  })

  test('of Kubernetes is its nodes, whatever the load', () => {
    expect(parts({ hosting: 'kubernetes' }).get('nodes')).toBeCloseTo(213.16, 2)
    expect(parts({ hosting: 'kubernetes' }).has('logs')).toBe(false)
  })

  test('counts an instance as busy all the time at one request after the other, and more instances beyond that', () => {
    expect(activeSeconds(30 * 86_400 * 10, 512)).toBeCloseTo(30 * 86_400, -3)
    expect(activeSeconds(30 * 86_400 * 1000, 512)).toBeGreaterThan(2 * 30 * 86_400)
  })

  test('is the sum of its parts', () => {
    expect(total(estimate(load))).toBeCloseTo(
      [...parts().values()].reduce((a, b) => a + b, 0),
      9,
    )
  })
})

describe('the prices', () => {
  test.each([...Object.entries(data.prices), ...data.others.map((other) => [other.name, other] as const)])(
    '%s: has a source and a date',
    (_, { source, date }) => {
      expect(source).toContain('https://')
      expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/)
    },
  )
})

test('the runs of timers are counted from their schedules', () => {
  expect(timerRuns('0 * * * * *')).toBe(43_200)
  expect(timerRuns('0 */5 * * * *')).toBe(8640)
  expect(timerRuns('0 7 4 * * *')).toBe(30)
  expect(() => timerRuns('0 0 0 1 * *')).toThrow('unknown form')
  expect(() => timerRuns('0 0-5 * * * *')).toThrow('unknown form')
})

describe('npm run cost', () => {
  test('prints what README quotes, within a tenth', async () => {
    const { code, stdout } = await runScript('cost.ts', [], {})
    const printed = Number(/^total +([\d.]+) {2}USD a month/m.exec(stdout)?.[1])
    const quoted = Number(/about (\d+) USD a month/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1])
    expect(code).toBe(0)
    expect(Math.abs(printed - quoted)).toBeLessThan(quoted / 10)
  })

  test('shows what others publish beside it, and what is not known', async () => {
    const { stdout } = await runScript('cost.ts', ['--validations', '10000000'], {})
    expect(stdout).toMatch(/API Management, Consumption +35\.00/)
    expect(stdout).toMatch(/Unkey +not known/)
  })

  test.each([
    [['--hosting', 'heroku'], '--hosting must be flex, windowsConsumption, kubernetes'],
    [['--validations', '-1'], 'Option'],
    [['--validations', 'many'], '--validations must be a whole number of 0 or more'],
    [['--memory-mb', '1024'], '--memory-mb must be 512, 2048 or 4096'],
    [['--kees', '5'], 'Unknown option'],
  ])('refuses %j with a clear error', async (args, message) => {
    const { code, stderr } = await runScript('cost.ts', args, {})
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) })
  })
})
