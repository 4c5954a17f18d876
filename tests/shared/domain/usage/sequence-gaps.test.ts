import fc from 'fast-check'
import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import { type SeenBatch, sequenceLog } from '../../../../shared/domain/usage/sequence-gaps.ts'

const startMs = Date.parse('2026-11-22T10:00:00.000Z')
const dayBefore = new Date('2026-11-21T00:00:00.000Z')
const boot = ulid(startMs)

/** What a boot sends, a batch a minute: the k-th `lag` is how far the acknowledgements lag behind at batch k. */
function batchesOf(lags: readonly number[], name = boot): readonly SeenBatch[] {
  let ackedBelow = 1
  return lags.map((lag, index) => {
    ackedBelow = Math.max(ackedBelow, index + 1 - lag)
    const at = new Date(startMs + index * 60_000).toISOString()
    return { batchId: `host-1.${name}.${index + 1}`, ackedBelow, at }
  })
}

function findGaps(batches: readonly SeenBatch[], readFrom: Date) {
  const log = sequenceLog()
  for (const batch of batches) log.add(batch)
  return log.gaps(readFrom)
}

function missingNumbers(batches: readonly SeenBatch[], readFrom = dayBefore): readonly number[] {
  return findGaps(batches, readFrom)
    .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
    .sort((a, b) => a - b)
}

const lags = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 30 })

describe('gaps in the sequence of a boot', () => {
  test('there are none when every batch was seen, in any order', () => {
    fc.assert(
      fc.property(
        lags.chain((given) => fc.shuffledSubarray([...batchesOf(given)], { minLength: given.length })),
        (batches) => {
          expect(findGaps(batches, dayBefore)).toEqual([])
        },
      ),
    )
  })

  test('are exactly the removed batches that the queue had acknowledged', () => {
    fc.assert(
      fc.property(
        lags.chain((given) => fc.shuffledSubarray([...batchesOf(given)])),
        (seen) => {
          const watermark = Math.max(0, ...seen.map(({ ackedBelow }) => ackedBelow))
          const numbers = new Set(seen.map(({ batchId }) => Number(batchId.split('.').at(-1))))
          const acknowledged = Array.from({ length: Math.max(0, watermark - 1) }, (_, index) => index + 1)
          expect(missingNumbers(seen)).toEqual(acknowledged.filter((number) => !numbers.has(number)))
        },
      ),
    )
  })

  test('exclude a batch that was sent and perhaps never acknowledged', () => {
    const [first, , third] = batchesOf([0, 0, 2])
    if (first === undefined || third === undefined) throw new Error('There are three.')
    expect(third.ackedBelow).toBe(2)
    expect(missingNumbers([first, third])).toEqual([])
  })

  test('report by when the queue had acknowledged the missing batch', () => {
    const batches = batchesOf([0, 0, 1, 0, 0])
    const gaps = findGaps(
      batches.filter((_, index) => index !== 1),
      dayBefore,
    )
    expect(gaps).toMatchObject([{ first: 2, last: 2, ackedAt: new Date(startMs + 3 * 60_000) }])
  })

  test('begin with the first batch seen when the boot is older than the reading', () => {
    const batches = batchesOf([0, 0, 0, 0, 0]).slice(2)
    expect(missingNumbers(batches, dayBefore)).toEqual([1, 2])
    expect(missingNumbers(batches, new Date(startMs + 1))).toEqual([])
  })

  test('of one boot are independent of other boots and other hosts', () => {
    const other = ulid(startMs + 1)
    const batches = [...batchesOf([0, 0, 0]).slice(0, 1), ...batchesOf([0, 0, 0], other)]
    expect(missingNumbers(batches)).toEqual([])
    const elsewhere = batches.map((batch) => ({ ...batch, batchId: batch.batchId.replace('host-1', 'host-2') }))
    expect(missingNumbers([...batches.slice(1), ...elsewhere])).toEqual([])
  })

  test('include the last batches of a boot that closed with a higher number', () => {
    const log = sequenceLog()
    for (const batch of batchesOf([0, 0, 0])) log.add(batch)
    const at = new Date('2026-11-22T11:00:00.000Z')
    log.close(`host-1.${boot}`, 5, at)
    expect(log.gaps(dayBefore)).toEqual([{ instance: 'host-1', boot, first: 4, last: 5, ackedAt: at }])
  })

  test('are not judged for a boot from before the reading of which only the close is known', () => {
    const log = sequenceLog()
    log.close(`host-1.${boot}`, 5, new Date('2026-11-22T11:00:00.000Z'))
    expect(log.gaps(new Date(startMs + 1))).toEqual([])
    expect(log.gaps(dayBefore)).toHaveLength(1)
  })

  test('are not searched among the parts of pushed batches', () => {
    const part = { batchId: 'push.acme.orders-1.3', ackedBelow: 3, at: new Date(startMs).toISOString() }
    expect(findGaps([part], dayBefore)).toEqual([])
  })
})
