import { describe, expect, test } from 'vitest'
import type { Change, ChangeFeed } from '../../../shared/ports/keys.ts'
import type { Clock } from '../../../shared/ports/runtime.ts'
import { sampleDigest, sampleProviderId } from '../samples/sample-keys.ts'

const at = (text: string) => new Date(`2026-11-22T${text}Z`)

/** The contract of every ChangeFeed. `makeFeed` makes an empty feed on a store with this clock. */
export function changeFeedContract(name: string, makeFeed: (storeClock: Pick<Clock, 'now'>) => ChangeFeed): void {
  const feedUnderTest = () => settableFeed(makeFeed)

  describe(`${name} as a ChangeFeed`, () => {
    test('an empty feed returns nothing', async () => {
      expect(await changesIn(feedUnderTest(), at('16:00:00.000'))).toEqual([])
    })

    test('every kind of change comes back exactly as it went in', async () => {
      const feed = feedUnderTest()
      const revocation = { at: at('15:59:59.999'), by: 'admin', reason: 'compromised', text: '雪' } as const
      const changes: Change[] = [
        sampleChange(),
        { ...sampleChange(), revocation },
        { ...sampleChange(), revocation: { ...revocation, text: null } },
        { ...sampleChange(), revocation: { ...revocation, text: null }, erased: true },
        { kind: 'provider', providerId: sampleProviderId() },
      ]
      for (const change of changes) await feed.append(change, at('16:00:00.000'))
      const found = await changesIn(feed, at('16:00:00.000'))
      expect(found).toHaveLength(changes.length)
      expect(found).toEqual(expect.arrayContaining(changes))
    })

    test('returns changes at or after the moment, and none before it, to the millisecond', async () => {
      const feed = feedUnderTest()
      const [before, then, after] = [sampleChange(), sampleChange(), sampleChange()]
      await feed.append(after, at('16:30:00.001'))
      await feed.append(before, at('16:29:59.999'))
      await feed.append(then, at('16:30:00.000'))
      expect(new Set(await changesIn(feed, at('16:30:00.000')))).toEqual(new Set([then, after]))
    })

    test('returns changes across hours from one moment to the other', async () => {
      const feed = feedUnderTest()
      const changes = [sampleChange(), sampleChange(), sampleChange()]
      for (const [hour, change] of changes.entries()) await feed.append(change, at(`${15 + hour}:59:59.999`))
      expect(new Set(await changesIn(feed, at('15:59:30.000'), at('17:00:00.000')))).toEqual(new Set(changes))
      expect(await changesIn(feed, at('16:30:00.000'), at('17:00:00.000'))).toHaveLength(2)
    })

    test('separates two changes of one key in one millisecond', async () => {
      const feed = feedUnderTest()
      const change = sampleChange()
      for (let time = 0; time < 2; time++) await feed.append(change, at('16:00:00.000'))
      const { changes: found } = await feed.read(at('16:00:00.000'), at('16:00:00.000'))
      expect(new Set(found.map(({ id }) => id)).size).toBe(2)
    })

    test('returns more changes than one page holds', async () => {
      const feed = feedUnderTest()
      const changes = Array.from({ length: 1100 }, sampleChange)
      for (let start = 0; start < changes.length; start += 100) {
        await Promise.all(changes.slice(start, start + 100).map((change) => feed.append(change, at('16:00:00.000'))))
      }
      expect(await changesIn(feed, at('16:00:00.000'))).toHaveLength(1100)
    })
  })

  storeClockContract(name, feedUnderTest)
}

function storeClockContract(name: string, feedUnderTest: () => ReturnType<typeof settableFeed>): void {
  describe(`${name} as a ChangeFeed, whatever the clocks of the writers,`, () => {
    test.each([-86_400_000, -45_000, -1001, 1001, 60_000, 86_400_000])(
      'places a change of a writer whose clock is %d ms off at the time of the store, within 1 s',
      async (offMs) => {
        const feed = feedUnderTest()
        const storeNow = at('16:59:59.500')
        for (let change = 0; change < 3; change++) {
          feed.storeNow(storeNow)
          await feed.appendBy(sampleChange(), new Date(storeNow.getTime() + offMs))
          const from = new Date(storeNow.getTime() - 1000)
          // The first entry of a clock that is ahead is still there, at its wrong position.
          expect(distinct(await changesIn(feed, from, at('17:00:00.500')))).toHaveLength(change + 1)
        }
      },
    )

    test('shows the time of the store with every read, to the second', async () => {
      const feed = feedUnderTest()
      for (const time of [at('16:00:00.000'), at('18:30:00.700')]) {
        feed.storeNow(time)
        const { at: answeredAt } = await feed.read(time, time)
        expect(answeredAt?.fromMs).toBeLessThanOrEqual(time.getTime())
        expect(answeredAt?.toMs).toBeGreaterThan(time.getTime())
        expect((answeredAt?.toMs ?? 0) - (answeredAt?.fromMs ?? 0)).toBeLessThanOrEqual(1000)
      }
    })
  })
}

const changesIn = async (feed: ChangeFeed, from: Date, until = from) =>
  (await feed.read(from, until)).changes.map(({ change }) => change)

const distinct = (changes: readonly Change[]) => [...new Set(changes.map((change) => JSON.stringify(change)))]

/** A feed on a store whose clock the test sets. `append` is by a writer whose clock shows the store's time. */
function settableFeed(makeFeed: (storeClock: Pick<Clock, 'now'>) => ChangeFeed) {
  let now = at('16:00:00.000')
  const feed = makeFeed({ now: () => now })
  const storeNow = (time: Date) => {
    now = time
  }
  const append = (change: Change, time: Date) => {
    storeNow(time)
    return feed.append(change, time)
  }
  return { ...feed, append, storeNow, appendBy: feed.append }
}

function sampleChange(): Extract<Change, { kind: 'key' }> {
  const digest = sampleDigest()
  return { kind: 'key', digest, keyId: digest.slice(0, 26), providerId: sampleProviderId(), revocation: null }
}
