import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sampleBatch, sampleUse } from '../../../support/contracts/spool-contract.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { outcomeOf } from '../../../support/worlds/recorder-under-test.ts'
import { spoolWorld, startProcess } from '../../../support/worlds/spool-world.ts'

describe('the drain', () => {
  test('sends oldest first, two at a time, and never changes the id of a batch', async () => {
    const { spool, boot, setQueue, sent, time } = spoolWorld()
    setQueue('down')
    const { recorder, start } = boot()
    start()
    for (let minute = 0; minute < 4; minute++) {
      await recorder.record(sampleUse({ keyId: `key-${minute}` }))
      void recorder.flush()
      await time.advance(5000)
    }
    const waiting = spool.usage.oldest(10)
    expect(waiting.map(({ producer, number }) => `${producer}.${number}`)).toEqual(
      [1, 2, 3, 4].map((number) => `host.BOOT1.${number}`),
    )
    setQueue('up')
    await time.advance(5000)
    expect(sent).toEqual(waiting.map(({ body }) => body))
  })

  test('reports a watermark only when every number below it was acknowledged', async () => {
    const { boot, setQueue, batches, time } = spoolWorld()
    const { recorder } = boot()
    const record = async (keyId: string) => {
      await recorder.record(sampleUse({ keyId }))
      await time.advance(5000)
    }
    await record('a')
    setQueue('down')
    await record('b')
    await record('c')
    setQueue('up')
    await time.advance(5000)
    await record('d')
    expect(batches().map(({ batchId, ackedBelow }) => [batchId.at(-1), ackedBelow])).toEqual([
      ['1', 1],
      ['2', 2],
      ['3', 2],
      ['4', 4],
    ])
  })

  test('backs off for at most the interval', async () => {
    const { boot, setQueue, sent, time } = spoolWorld()
    setQueue('lost')
    await boot().recorder.record(sampleUse())
    await time.advance(30_000)
    const before = sent.length
    await time.advance(5000)
    expect(sent.length).toBeGreaterThan(before)
  })

  test('flushes until every use is sent, and retries while the queue does not answer', async () => {
    const { spool, boot, setQueue, counted, time } = spoolWorld()
    const { recorder } = boot()
    const recorded = recorder.record(sampleUse())
    await recorder.flush()
    await recorded
    expect(counted()).toEqual({ 'key-a': 1 })
    setQueue('down')
    void recorder.record(sampleUse({ keyId: 'key-b' }))
    const flushed = recorder.flush()
    await time.advance(10_000)
    expect(await outcomeOf(flushed)).toBe('waiting')
    expect(spool.usage.oldest(5)).toHaveLength(1)
    setQueue('up')
    await time.advance(5000)
    expect(await outcomeOf(flushed)).toBe('resolved')
    expect(spool.usage.oldest(5)).toEqual([])
  })

  test('reports how much waits and for how long', async () => {
    const { boot, setQueue, time } = spoolWorld()
    const localSpool = boot()
    expect(localSpool.state()).toEqual({ batches: 0, bytes: 0, oldestAgeMs: 0, pendingRevocations: 0 })
    setQueue('down')
    await localSpool.recorder.record(sampleUse())
    await time.advance(11_000)
    expect(localSpool.state()).toMatchObject({ batches: 1, oldestAgeMs: 10_000 })
  })
})

describe('after a SIGKILL', () => {
  test('loose uses are sent with the name, the next number and the time of the killed process', async () => {
    const { boot, batches, time, gaps } = spoolWorld()
    const { recorder } = boot()
    await recorder.record(sampleUse({ at: time.clock.now() }))
    await time.advance(1000)
    const diedAt = time.clock.now()
    await recorder.record(sampleUse({ at: diedAt }))
    await time.advance(500)
    const next = boot()
    next.start()
    await next.recorder.record(sampleUse())
    await time.advance(1000)
    expect(batches().map(({ batchId }) => batchId)).toEqual(['host.BOOT1.1', 'host.BOOT1.2', 'host.BOOT2.1'])
    expect(batches()[1]?.at).toBe(diedAt.toISOString())
    expect(gaps()).toEqual([])
  })

  test('orphaned files are drained at start and every 30 s, under the names of their producers', async () => {
    const orphaned = memorySpool()
    orphaned.usage.append('gone.BOOT', [sampleUse()])
    const { boot, batches, time } = spoolWorld({ orphaned: [orphaned] })
    boot().start()
    await rest()
    expect(batches().map(({ batchId }) => batchId)).toEqual(['gone.BOOT.1'])
    orphaned.usage.append('gone.LATER', [sampleUse()])
    await time.advance(30_000)
    expect(batches().map(({ batchId }) => batchId)).toEqual(['gone.BOOT.1', 'gone.LATER.1'])
    expect([orphaned.usage.loose(), orphaned.usage.oldest(1)]).toEqual([[], []])
  })

  test('an orphaned file is retried later when the queue does not acknowledge its messages', async () => {
    const orphaned = memorySpool()
    orphaned.usage.storeBatches('gone.BOOT', [sampleBatch(1, 'gone.BOOT')])
    const { boot, setQueue, sent, time } = spoolWorld({ orphaned: [orphaned] })
    setQueue('down')
    boot().start()
    await time.advance(1000)
    setQueue('up')
    await time.advance(30_000)
    expect(sent).toEqual([sampleBatch(1).body])
    expect(orphaned.usage.oldest(1)).toEqual([])
  })

  test('every use that was acknowledged counts exactly once, wherever processes die and the queue fails', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), async (steps) => {
        const world = spoolWorld()
        const acknowledged = tally()
        let process = startProcess(world)
        const take = {
          record: async ({ keyId }: Step) => {
            await process.recorder.record(sampleUse({ keyId }))
            acknowledged.add(keyId)
          },
          wait: ({ ms }: Step) => world.time.advance(ms),
          queue: async ({ queue }: Step) => world.setQueue(queue),
          kill: async () => {
            process = startProcess(world)
          },
        }
        for (const step of steps) await take[step.kind](step)
        world.setQueue('up')
        await world.time.advance(20_000)
        expect(world.counted()).toEqual(acknowledged.all())
        expect(world.gaps()).toEqual([])
        expect(process.state()).toMatchObject({ batches: 0, bytes: 0 })
      }),
      { numRuns: 200 },
    )
  })
})

test('a process may die before or after any of its steps: no acknowledged use is lost, none counts twice', async () => {
  let points = 0
  for (const when of ['before', 'after'] as const) {
    for (let step = 1; await survivesDeath(step, when); step++) points++
  }
  // Two turns of two uses each, a batch each, its message, and the reads in between.
  expect(points).toBeGreaterThan(20)
})

/** Returns false when the process finished its work before that step. */
async function survivesDeath(step: number, when: 'before' | 'after'): Promise<boolean> {
  const world = spoolWorld()
  const process = startProcess(world)
  const [acknowledged, recorded] = [tally(), tally()]
  world.dieAt(step, when)
  for (const keyId of ['a', 'b', 'a', 'c']) {
    if (world.isDead()) break
    const outcome = await outcomeOf(process.recorder.record(sampleUse({ keyId })))
    recorded.add(keyId)
    if (outcome === 'resolved') acknowledged.add(keyId)
    await world.time.advance(700)
  }
  await world.time.advance(3000)
  const died = world.isDead()
  startProcess(world)
  await world.time.advance(10_000)
  for (const keyId of ['a', 'b', 'c']) {
    const counted = world.counted()[keyId] ?? 0
    expect(counted, `${keyId}, death ${when} ${step}`).toBeGreaterThanOrEqual(acknowledged.of(keyId))
    expect(counted, `${keyId}, death ${when} ${step}`).toBeLessThanOrEqual(recorded.of(keyId))
  }
  expect(world.gaps()).toEqual([])
  return died
}

function tally() {
  const counts: Record<string, number> = {}
  return {
    add: (name: string) => {
      counts[name] = (counts[name] ?? 0) + 1
    },
    of: (name: string) => counts[name] ?? 0,
    all: () => counts,
  }
}

const anyStep = fc.record({
  kind: fc.constantFrom('record', 'record', 'record', 'wait', 'wait', 'kill', 'queue'),
  keyId: fc.constantFrom('a', 'b', 'c'),
  ms: fc.nat(3000),
  queue: fc.constantFrom('up', 'down', 'lost'),
})
type Step = typeof anyStep extends fc.Arbitrary<infer Drawn> ? Drawn : never
