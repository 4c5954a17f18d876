import { expect, test } from 'vitest'
import { AppError } from '../../../../shared/domain/errors.ts'
import { publishChange } from '../../../../shared/operations/keys/publish-change.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'

const change = { kind: 'provider', providerId: 'acme' } as const

/** A feed whose n-th append takes the n-th time; `appendedAt` has the positions, in seconds since the start. */
function slowFeed(secondsOfAppends: readonly number[]) {
  const { clock, advance } = manualTime()
  const startMs = clock.monotonicMs()
  const appendedAt: number[] = []
  return {
    ...{ clock, appendedAt },
    feed: {
      read: async () => ({ changes: [], at: undefined }),
      async append(_: unknown, at: Date) {
        const seconds = secondsOfAppends[appendedAt.length] ?? 0
        appendedAt.push((at.getTime() - startMs) / 1000)
        await advance(seconds * 1000)
      },
    },
  }
}

test('a change is appended once when the append is acknowledged within 10 s', async () => {
  const { feed, clock, appendedAt } = slowFeed([10])
  await publishChange({ feed, clock }, change)
  expect(appendedAt).toEqual([0])
})

test('a change whose append stalled is appended again at a new position: a poll may have passed the first', async () => {
  const { feed, clock, appendedAt } = slowFeed([11, 12, 1])
  await publishChange({ feed, clock }, change)
  expect(appendedAt).toEqual([0, 11, 23])
})

test('a change does not count as published when every append stalls', async () => {
  const { feed, clock } = slowFeed([11, 11, 11])
  await expect(publishChange({ feed, clock }, change)).rejects.toMatchObject({ code: 'store_unavailable' })
})

test('a change whose append this instance refused for its load is not announced: no refusal of the whole call', async () => {
  const { clock } = manualTime()
  const refused = () => Promise.reject(new AppError('overloaded', 'Too many requests are under way.'))
  const feed = { read: async () => ({ changes: [], at: undefined }), append: refused }
  await expect(publishChange({ feed, clock }, change)).rejects.toMatchObject({ code: 'store_unavailable' })
})
