import { expect, it } from 'vitest'
import { internPolicy } from '../../../../shared/operations/key-cache/intern-policy.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

it('shares the parts of equal policies, and changes no key', () => {
  const intern = internPolicy()
  const make = () =>
    sampleKey({ scopes: ['a', 'b'], ipRestrictions: ['192.0.2.0/24'], quota: { limit: 1, period: 'day' } })
  const [first, second] = [make(), make()]
  const shared = [intern(first), intern(second)]
  expect(shared).toEqual([first, second])
  expect(shared[1]?.scopes).toBe(first.scopes)
  expect(shared[1]?.ipRestrictions).toBe(first.ipRestrictions)
  expect(shared[1]?.quota).toBe(first.quota)
})

it('keeps different policies apart', () => {
  const intern = internPolicy()
  const narrow = intern(sampleKey({ scopes: ['a'], ipRestrictions: [] }))
  const wide = intern(sampleKey({ scopes: ['a', 'b'], ipRestrictions: ['a'] }))
  expect([narrow.scopes, narrow.ipRestrictions]).toEqual([['a'], []])
  expect([wide.scopes, wide.ipRestrictions]).toEqual([['a', 'b'], ['a']])
})
