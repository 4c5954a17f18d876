import { expect, test } from 'vitest'
import { publishChange } from '../../../../shared/operations/keys/publish-change.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'

const change = { kind: 'provider', providerId: 'acme' } as const

/** A feed whose n-th write takes the n-th time, and what it was told, in seconds since the start. */
function slowFeed(secondsOfWrites: readonly number[]) {
  const { clock, advance } = manualTime()
  const startMs = clock.monotonicMs()
  const toldAt: number[] = []
  return {
    ...{ clock, toldAt },
    feed: {
      read: async () => [],
      async append(_: unknown, at: Date) {
        const seconds = secondsOfWrites[toldAt.length] ?? 0
        toldAt.push((at.getTime() - startMs) / 1000)
        await advance(seconds * 1000)
      },
    },
  }
}

test('a change is told once where the write is acknowledged within 10 s', async () => {
  const { feed, clock, toldAt } = slowFeed([10])
  await publishChange({ feed, clock }, change)
  expect(toldAt).toEqual([0])
})

test('a change whose write stalled is told again, at the time it is then: others may have looked past the first place', async () => {
  const { feed, clock, toldAt } = slowFeed([11, 12, 1])
  await publishChange({ feed, clock }, change)
  expect(toldAt).toEqual([0, 11, 23])
})

test('a change is not called told where every write stalls', async () => {
  const { feed, clock } = slowFeed([11, 11, 11])
  await expect(publishChange({ feed, clock }, change)).rejects.toMatchObject({ code: 'store_unavailable' })
})
