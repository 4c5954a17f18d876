import { describe, expect, test } from 'vitest'
import { countedAtMs, dayName, hourIndex, hourName, isClosedDay } from '../../../../shared/domain/usage/calendar.ts'
import { partitionsOfDay, shardOf } from '../../../../shared/domain/usage/partition.ts'

const now = new Date('2026-11-22T16:30:00.000Z')

describe('the time under which a use is counted', () => {
  test('is its own up to 5 minutes ahead of the clock, and no later', () => {
    const ahead = (ms: number) => countedAtMs(now.getTime() + ms, now.getTime()) - now.getTime()
    expect([-3_600_000, 0, 299_999, 300_000, 300_001, 9e9].map(ahead)).toEqual([
      -3_600_000, 0, 299_999, 300_000, 300_000, 300_000,
    ])
  })

  test('falls into a UTC hour', () => {
    expect(hourName(hourIndex(Date.parse('2026-11-22T23:59:59.999Z')))).toBe('2026112223')
    expect(hourName(hourIndex(Date.parse('2026-11-23T00:00:00.000Z')))).toBe('2026112300')
  })

  test('closes for a day once it is more than 35 days old', () => {
    expect(dayName(now, 35)).toBe('20261018')
    expect(isClosedDay('20261018', now)).toBe(false)
    expect(isClosedDay('20261017', now)).toBe(true)
  })
})

describe('shards', () => {
  test('are 16, and every key belongs to one', () => {
    const all = partitionsOfDay('20261122').map((partition) => partition.shard)
    expect(all).toHaveLength(16)
    const seen = new Set(Array.from({ length: 2000 }, (_, index) => shardOf(`key-${index}`)))
    expect([...seen].sort()).toEqual(all)
  })
})
