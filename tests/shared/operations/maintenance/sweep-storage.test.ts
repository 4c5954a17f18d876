import { expect, test } from 'vitest'
import { sweepStorage } from '../../../../shared/operations/maintenance/sweep-storage.ts'
import type { Sweeper } from '../../../../shared/ports/store.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'

/** Steps of 10 rows, 4 of them removed. */
function sweeperOf(steps: number, onStep: (now: Date) => unknown = () => undefined): Sweeper {
  return {
    step: async (now, after) => {
      await onStep(now)
      const done = Number(after ?? 0) + 1
      return { looked: 10, removed: 4, next: done < steps ? String(done) : null }
    },
  }
}

test('every sweeper runs to its end, and reports what it read and removed', async () => {
  const { clock } = manualTime()
  expect(await sweepStorage({ sweepers: { a: sweeperOf(3), b: sweeperOf(1) }, clock }, 60)).toEqual([
    { name: 'a', looked: 30, removed: 12, complete: true },
    { name: 'b', looked: 10, removed: 4, complete: true },
  ])
})

test('a sweeper that runs out of time stops, reports it, and takes no time from the next', async () => {
  const { clock, advance } = manualTime()
  const slow = sweeperOf(100, () => advance(25_000))
  expect(await sweepStorage({ sweepers: { slow, b: sweeperOf(2) }, clock }, 60)).toEqual([
    { name: 'slow', looked: 30, removed: 12, complete: false },
    { name: 'b', looked: 20, removed: 8, complete: true },
  ])
})

test('all steps of a sweeper judge age by the same instant', async () => {
  const { clock, advance } = manualTime()
  const instants = new Set<number>()
  const sweeper = sweeperOf(3, (now) => {
    instants.add(now.getTime())
    return advance(1000)
  })
  await sweepStorage({ sweepers: { sweeper }, clock }, 60)
  expect(instants.size).toBe(1)
})
