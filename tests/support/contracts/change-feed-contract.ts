import { describe, expect, test } from 'vitest'
import type { Change, ChangeFeed } from '../../../shared/ports/keys.ts'
import { sampleDigest, sampleProviderId } from '../samples/sample-keys.ts'

const at = (text: string) => new Date(`2026-11-22T${text}Z`)

/** The contract of every ChangeFeed. `makeFeed` makes an empty feed. */
export function changeFeedContract(name: string, makeFeed: () => ChangeFeed): void {
  const changesIn = async (feed: ChangeFeed, from: Date, until = from) =>
    (await feed.read(from, until)).map(({ change }) => change)

  describe(`${name} as a ChangeFeed`, () => {
    test('an empty feed returns nothing', async () => {
      expect(await changesIn(makeFeed(), at('16:00:00.000'))).toEqual([])
    })

    test('every kind of change comes back exactly as it went in', async () => {
      const feed = makeFeed()
      const revocation = { at: at('15:59:59.999'), by: 'admin', reason: 'compromised', text: '雪' } as const
      const changes: Change[] = [
        sampleChange(),
        { ...sampleChange(), revocation },
        { ...sampleChange(), revocation: { ...revocation, text: null } },
        { kind: 'provider', providerId: sampleProviderId() },
      ]
      for (const change of changes) await feed.append(change, at('16:00:00.000'))
      const found = await changesIn(feed, at('16:00:00.000'))
      expect(found).toHaveLength(changes.length)
      expect(found).toEqual(expect.arrayContaining(changes))
    })

    test('returns changes at or after the moment, and none before it, to the millisecond', async () => {
      const feed = makeFeed()
      const [before, then, after] = [sampleChange(), sampleChange(), sampleChange()]
      await feed.append(after, at('16:30:00.001'))
      await feed.append(before, at('16:29:59.999'))
      await feed.append(then, at('16:30:00.000'))
      expect(new Set(await changesIn(feed, at('16:30:00.000')))).toEqual(new Set([then, after]))
    })

    test('returns changes across hours from one moment to the other', async () => {
      const feed = makeFeed()
      const changes = [sampleChange(), sampleChange(), sampleChange()]
      for (const [hour, change] of changes.entries()) await feed.append(change, at(`${15 + hour}:59:59.999`))
      expect(new Set(await changesIn(feed, at('15:59:30.000'), at('17:00:00.000')))).toEqual(new Set(changes))
      expect(await changesIn(feed, at('16:30:00.000'), at('17:00:00.000'))).toHaveLength(2)
    })

    test('separates two changes of one key in one millisecond', async () => {
      const feed = makeFeed()
      const change = sampleChange()
      for (let time = 0; time < 2; time++) await feed.append(change, at('16:00:00.000'))
      const found = await feed.read(at('16:00:00.000'), at('16:00:00.000'))
      expect(new Set(found.map(({ id }) => id)).size).toBe(2)
    })

    test('returns more changes than one page holds', async () => {
      const feed = makeFeed()
      const changes = Array.from({ length: 1100 }, sampleChange)
      for (let start = 0; start < changes.length; start += 100) {
        await Promise.all(changes.slice(start, start + 100).map((change) => feed.append(change, at('16:00:00.000'))))
      }
      expect(await changesIn(feed, at('16:00:00.000'))).toHaveLength(1100)
    })
  })
}

function sampleChange(): Extract<Change, { kind: 'key' }> {
  const digest = sampleDigest()
  return { kind: 'key', digest, keyId: digest.slice(0, 26), providerId: sampleProviderId(), revocation: null }
}
