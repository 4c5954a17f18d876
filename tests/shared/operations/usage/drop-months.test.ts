import { expect, test } from 'vitest'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { daysOfMonth, firstDayKept, monthName } from '../../../../shared/domain/usage/calendar.ts'
import { dropMonths } from '../../../../shared/operations/usage/drop-months.ts'
import { sampleDelta } from '../../../support/samples/usage-samples.ts'
import { usageReportingWorld } from '../../../support/worlds/usage-reporting-world.ts'

const months = ['202608', '202609', '202610', '202611']

async function worldWithMonths() {
  const world = usageReportingWorld()
  for (const month of months) await world.count(sampleDelta({ providerId: 'acme', hour: `${month}1510` }))
  return { ...world, months: world.ledger }
}

const held = ({ ledger }: Awaited<ReturnType<typeof worldWithMonths>>) => [
  ...new Set(ledger.held().map(({ partition }) => partition.day.slice(0, 6))),
]

test('months that ended longer ago than the retention are dropped, and no other', async () => {
  const world = await worldWithMonths()
  expect(await dropMonths(world, 3)).toEqual([])
  expect(await dropMonths(world, 2)).toEqual(['202608'])
  expect(await dropMonths(world, 2)).toEqual([])
  expect(held(world)).toEqual(['202609', '202610', '202611'])
})

test('a month that was neither sealed nor rolled up is sealed and rolled up before it is dropped', async () => {
  const world = await worldWithMonths()
  await dropMonths(world, 2)
  const span = { first: '20260801', last: '20260831' }
  expect(await world.reports.totals(oneProvider('acme'), span)).toMatchObject([{ day: '20260815', total: 1 }])
})

test('a month that cannot be rolled up stays, with a line in the log', async () => {
  const world = await worldWithMonths()
  const marks = { ...world.marks, write: async () => undefined }
  expect(await dropMonths({ ...world, marks }, 2)).toEqual([])
  expect(held(world)).toEqual(months)
  expect(world.logged).toContain('error: A month of usage cannot be dropped: it is not rolled up.')
})

test('a run that dies at any call loses no report, and the next run drops the month', async () => {
  for (let fatal = 1, died = true; died; fatal += 7) {
    const world = await worldWithMonths()
    let calls = 0
    const mortal = <Port extends object>(port: Port): Port =>
      new Proxy(port, {
        get: (target, name) => {
          const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
          return (...args: readonly unknown[]) => {
            if (++calls >= fatal) throw new AppError('store_unavailable', 'the process is dead')
            return method.apply(target, [...args])
          }
        },
      })
    const { ledger, marks, reports } = world
    const ports = { months: mortal(ledger), ledger: mortal(ledger), marks: mortal(marks), copies: mortal(reports) }
    died = await dropMonths({ ...world, ...ports }, 2).then(
      () => false,
      () => true,
    )
    await dropMonths(world, 2)
    expect(held(world)).toEqual(['202609', '202610', '202611'])
    const span = { first: '20260801', last: '20260831' }
    expect(await world.reports.totals(oneProvider('acme'), span)).toMatchObject([{ total: 1 }])
  }
})

test('months are counted in whole months of UTC, over the ends of years and of short months', () => {
  expect(monthName(new Date('2026-03-31T23:59:59Z'), 1)).toBe('202602')
  expect(monthName(new Date('2026-01-31T00:00:00Z'), 25)).toBe('202312')
  expect([daysOfMonth('202402').length, daysOfMonth('202602').at(-1), daysOfMonth('202612').length]).toEqual([
    ...[29, '20260228', 31],
  ])
  expect(firstDayKept(new Date('2026-11-22T16:00:00Z'), 25)).toBe('20241001')
})
