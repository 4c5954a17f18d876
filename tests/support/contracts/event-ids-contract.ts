import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { EventIds, IdOwner } from '../../../shared/ports/usage-reports.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'

const expiresAt = new Date('2026-12-29T16:00:00.000Z')
const owner = (attempt: string): IdOwner => ({ batchId: 'orders-1', attempt, expiresAt })
const idsOf = (held: readonly { readonly id: string }[]) => held.map(({ id }) => id).sort()

/** The contract of every EventIds. */
export function eventIdsContract(name: string, makeIds: () => EventIds): void {
  describe(`${name} as ids of events`, () => {
    test('an id is claimed once per provider, whatever its characters; its owner may claim it again', async () => {
      const ids = makeIds()
      const scope = oneProvider(sampleProviderId())
      const odd = ['a', 'A', 'a ', '/\\#?', '😀', '\u2028', 'x'.repeat(128)]
      expect(await ids.claim(scope, odd, owner('one'), [])).toEqual([])
      expect(await ids.claim(scope, odd, owner('one'), [])).toEqual([])
      const held = await ids.claim(scope, [...odd, 'new'], owner('two'), [])
      expect(idsOf(held)).toEqual([...odd].sort())
      expect(held[0]).toMatchObject({ owner: owner('one') })
      expect(idsOf(await ids.claim(scope, ['new'], owner('one'), []))).toEqual(['new'])
      expect(await ids.claim(oneProvider(sampleProviderId()), odd, owner('two'), [])).toEqual([])
    })

    test('a claim is taken over only while it is as it was seen', async () => {
      const ids = makeIds()
      const scope = oneProvider(sampleProviderId())
      await ids.claim(scope, ['a', 'b'], owner('one'), [])
      const seen = await ids.claim(scope, ['a', 'b'], owner('two'), [])
      expect(await ids.claim(scope, ['a', 'b'], owner('two'), seen)).toEqual([])
      const held = await ids.claim(scope, ['a', 'b'], owner('three'), seen)
      expect(idsOf(held)).toEqual(['a', 'b'])
      expect(held[0]?.owner.attempt).toBe('two')
    })

    test('of many concurrent attempts, each id goes to exactly one', async () => {
      const ids = makeIds()
      const scope = oneProvider(sampleProviderId())
      const wanted = Array.from({ length: 300 }, (_, number) => `event-${number}`)
      const attempts = ['one', 'two', 'three', 'four']
      const held = await Promise.all(attempts.map((attempt) => ids.claim(scope, wanted, owner(attempt), [])))
      const got = held.map((others) => wanted.length - others.length)
      expect(got.reduce((sum, count) => sum + count, 0)).toBe(wanted.length)
    })
  })
}
