import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fairBulkhead } from '../../../../shared/adapters/guard/fair-bulkhead.ts'

/** A bulkhead whose work ends when the test says so. */
function underTest(concurrency: number, queueMax = 1000) {
  const bulkhead = fairBulkhead(concurrency, queueMax)
  const started: string[] = []
  const rejected: string[] = []
  const running: (() => void)[] = []
  const ask = (name: string, pay?: () => Promise<void>) => {
    const work = () => {
      started.push(name)
      return new Promise<void>((resolve) => running.push(resolve))
    }
    const [turn = ''] = name
    bulkhead.run({ turn, pay, work }).catch(() => rejected.push(name))
  }
  const endOne = async () => {
    running.shift()?.()
    await settled()
  }
  return { ask, endOne, started, rejected }
}

const settled = () => new Promise(setImmediate)

describe('a fair bulkhead', () => {
  test('serves the turns in rotation, and each first in, first out', async () => {
    const { ask, endOne, started } = underTest(1)
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) ask(name)
    for (let ended = 0; ended < 7; ended++) await endOne()
    expect(started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4'])
  })

  test('rejects the last of the longest line when its lines are full', async () => {
    const { ask, started, rejected, endOne } = underTest(1, 3)
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1']) ask(name)
    await settled()
    expect(rejected).toEqual(['a4', 'a3'])
    for (let ended = 0; ended < 4; ended++) await endOne()
    expect(started).toEqual(['a1', 'a2', 'b1', 'c1'])
  })

  test('lets one request pay at a time, each in its place: what waits has paid nothing', async () => {
    const { ask, endOne, started } = underTest(2)
    const paid: string[] = []
    const payments: (() => void)[] = []
    const asking = (name: string) =>
      ask(name, () => {
        paid.push(name)
        return new Promise((resolve) => payments.push(resolve))
      })
    for (const name of ['a1', 'a2', 'a3', 'b1']) asking(name)
    await settled()
    expect([paid, started]).toEqual([['a1'], []])
    for (let times = 0; times < 2; times++) {
      payments.shift()?.()
      await settled()
    }
    expect([paid, started]).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2'],
    ])
    await endOne()
    expect(paid).toEqual(['a1', 'a2', 'b1'])
  })

  test('gives the place of a request that could not pay to the next', async () => {
    const { ask, started, rejected } = underTest(1)
    ask('a1', () => Promise.reject(new Error('no units')))
    ask('b1')
    await settled()
    expect([started, rejected]).toEqual([['b1'], ['a1']])
  })

  test('never runs more than its places, loses no request, and serves a turn after at most one of each other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 }), async (turns) => {
        const { ask, endOne, started, rejected } = underTest(1)
        for (const [index, turn] of turns.entries()) ask(`${turn}${index}`)
        for (let ended = 0; ended < turns.length; ended++) {
          expect(started).toHaveLength(Math.min(turns.length, ended + 1))
          await endOne()
        }
        expect([...started].sort()).toEqual(turns.map((turn, index) => `${turn}${index}`).sort())
        expect(rejected).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
