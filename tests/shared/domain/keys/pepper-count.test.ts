import { describe, expect, test } from 'vitest'
import {
  countLive,
  emptyPepperRecord,
  faultOfPeppers,
  needsCount,
  type PepperRecord,
  registerStart,
} from '../../../../shared/domain/keys/pepper-count.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const at = (minutes: number) => new Date(Date.UTC(2026, 10, 22, 16, minutes))
const record = (change: Partial<PepperRecord>): PepperRecord => ({ ...emptyPepperRecord, ...change })

describe('the peppers in the settings', () => {
  test('are refused where they lack one that live keys need, with its name and their number', () => {
    const counted = { at: at(60), keys: { p1: 42, p2: 7 } }
    expect(faultOfPeppers(record({ counted }), ['p3', 'p2'])).toBe(
      'KEY_PEPPERS lacks p1, under which 42 live keys are found: keep it as the last one',
    )
    expect(faultOfPeppers(record({ counted }), ['p3', 'p2', 'p1'])).toBeUndefined()
  })

  test('are refused where keys may have been made under the missing one since the last count', () => {
    const startedAt = { p1: at(30) }
    for (const counted of [null, { at: at(30), keys: {} }, { at: at(10), keys: { p1: 0 } }]) {
      expect(faultOfPeppers(record({ startedAt, counted }), ['p2'])).toContain('KEY_PEPPERS lacks p1')
    }
    expect(faultOfPeppers(record({ startedAt, counted: { at: at(31), keys: {} } }), ['p2'])).toBeUndefined()
  })

  test('are accepted by an installation without a record, and by one that never used another', () => {
    expect(faultOfPeppers(emptyPepperRecord, ['p1'])).toBeUndefined()
    expect(faultOfPeppers(record({ startedAt: { p1: at(0) } }), ['p1'])).toBeUndefined()
  })
})

test('a key counts as live unless it is revoked, expired, or past its grace period', () => {
  const keys = [
    sampleKey({}),
    sampleKey({ pepperVersion: 'p2', enabled: false }),
    sampleKey({ revocation: { at: at(0), by: 'admin', reason: 'policy', text: null } }),
    sampleKey({ expiresAt: at(10) }),
    sampleKey({ graceUntil: at(10) }),
    sampleKey({ expiresAt: at(11) }),
  ]
  expect(countLive({ p1: 5 }, keys, at(10))).toEqual({ p1: 7, p2: 1 })
})

test('a start is registered once an hour', () => {
  const first = registerStart(emptyPepperRecord, 'p1', at(0))
  expect(first.startedAt).toEqual({ p1: at(0) })
  expect(registerStart(first, 'p1', at(59))).toBe(first)
  expect(registerStart(first, 'p1', at(60)).startedAt).toEqual({ p1: at(60) })
  expect(registerStart(first, 'p2', at(1)).startedAt).toEqual({ p1: at(0), p2: at(1) })
})

test('keys are counted while there are several peppers, and else once a day', () => {
  const counted = { at: at(0), keys: {} }
  const one = record({ startedAt: { p1: at(0) }, counted })
  expect(needsCount(one, 1, at(60))).toBe(false)
  expect(needsCount(one, 1, at(24 * 60))).toBe(true)
  expect(needsCount(one, 2, at(1))).toBe(true)
  expect(needsCount(record({ ...one, startedAt: { p1: at(0), p2: at(0) } }), 1, at(1))).toBe(true)
  expect(needsCount(record({ counted: null }), 1, at(1))).toBe(true)
})
