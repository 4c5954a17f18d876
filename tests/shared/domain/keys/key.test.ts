import { describe, expect, test } from 'vitest'
import { endsAt, type Key, keyStatus } from '../../../../shared/domain/keys/key.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const now = new Date('2026-11-22T16:00:00.000Z')
const before = new Date(now.getTime() - 1)
const after = new Date(now.getTime() + 1)
const revocation = { at: before, by: 'admin', reason: 'unspecified' as const, text: null }

describe('the status of a key', () => {
  // Each fault beside all the faults that it outranks.
  const outranked: readonly (readonly [string, Partial<Key>])[] = [
    ['revoked', { revocation }],
    ['expired', { expiresAt: now }],
    ['not_yet_valid', { notBefore: after }],
    ['disabled', { enabled: false }],
    ['in_grace', { graceUntil: after }],
  ]
  test.each(outranked.map(([status], rank) => [status, outranked.slice(rank)] as const))(
    'is %s whatever else is true of lower rank',
    (status, faults) => {
      expect(keyStatus(sampleKey(Object.assign({}, ...faults.map(([, fault]) => fault))), now)).toBe(status)
    },
  )

  test('is active without a fault', () => {
    expect(keyStatus(sampleKey(), now)).toBe('active')
  })

  test('is expired exactly at the expiry, and not a millisecond earlier', () => {
    expect(keyStatus(sampleKey({ expiresAt: now }), now)).toBe('expired')
    expect(keyStatus(sampleKey({ expiresAt: after }), now)).toBe('active')
  })

  test('is expired exactly at the end of the grace, and in_grace until then', () => {
    expect(keyStatus(sampleKey({ graceUntil: now }), now)).toBe('expired')
    expect(keyStatus(sampleKey({ graceUntil: after }), now)).toBe('in_grace')
  })

  test('is active from exactly not_before on', () => {
    expect(keyStatus(sampleKey({ notBefore: now }), now)).toBe('active')
    expect(keyStatus(sampleKey({ notBefore: after }), now)).toBe('not_yet_valid')
  })
})

test('a key ends at its expiry or at the end of its grace, whichever comes first', () => {
  expect(endsAt({ expiresAt: null, graceUntil: null })).toBe(Infinity)
  expect(endsAt({ expiresAt: now, graceUntil: null })).toBe(now.getTime())
  expect(endsAt({ expiresAt: now, graceUntil: before })).toBe(before.getTime())
  expect(endsAt({ expiresAt: now, graceUntil: after })).toBe(now.getTime())
})
