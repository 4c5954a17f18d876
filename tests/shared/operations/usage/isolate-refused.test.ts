import { describe, expect, test } from 'vitest'
import { RefusedByStore } from '../../../../shared/domain/errors.ts'
import { replayPoison } from '../../../../shared/operations/usage/replay-poison.ts'
import type { PartitionChange, UsageLedger } from '../../../../shared/ports/usage.ts'
import { readMetric } from '../../../support/requests/read-metric.ts'
import { keyInShard, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { codec, consumerUnderTest, sampleBatch } from '../../../support/worlds/consumer-under-test.ts'

/** A consumer whose store refuses every commit with the endpoint `culprit`, until `mend`. */
function refusingConsumer(isRefused = (change: PartitionChange) => change.counters.some(hasCulprit)) {
  let mended = false
  const wrapLedger = (real: UsageLedger): UsageLedger => ({
    ...real,
    commit: async (partition, change) => {
      if (!mended && isRefused(change))
        throw new RefusedByStore('Table usage202611 refused a request: 400 InvalidInput')
      return real.commit(partition, change)
    },
  })
  const mend = () => {
    mended = true
  }
  return { ...consumerUnderTest({ wrapLedger }), mend }
}

const hasCulprit = ({ endpoints }: PartitionChange['counters'][number]) => 'culprit' in endpoints
const culprit = (count: number) => sampleDelta({ keyId: keyInShard('00', 5), endpoint: 'culprit', count })
const good = (number: number) => sampleDelta({ keyId: keyInShard('00', number % 40), endpoint: `/${number}`, count: 1 })
const totalOf = ({ ledger }: ReturnType<typeof refusingConsumer>) =>
  ledger
    .held()
    .flatMap(({ counters }) => [...counters.values()].map(({ total }) => total))
    .reduce((a, b) => a + b, 0)

describe('a use that the store refuses for what is in it', () => {
  test('is set aside with its reason, and every other use counts: of its message, and of the messages beside it', async () => {
    const world = refusingConsumer()
    const { consumer, queue, poisoned, lines, metrics } = world
    const deltas = Array.from({ length: 90 }, (_, number) => (number === 57 ? culprit(1000) : good(number)))
    const mixed = sampleBatch(deltas)
    await queue.send(codec.encode(mixed))
    for (let number = 0; number < 50; number++) await queue.send(codec.encode(sampleBatch([good(number)])))
    expect(await consumer.drain()).toEqual({ counted: 50, setAside: 1, failed: 0 })
    expect(totalOf(world)).toBe(89 + 50)
    expect(poisoned.held()).toMatchObject([{ id: mixed.batchId, reason: 'refused', body: codec.encode(mixed) }])
    expect(poisoned.held()[0]?.detail).toContain('1000 uses: Table usage202611 refused a request')
    expect(await readMetric(metrics, 'auth_api_usage_set_aside_total')).toEqual([1])
    expect(lines.map(([level, message]) => [level, message])).toEqual([['error', 'A usage message was set aside.']])
    expect(await queue.depth()).toBe(0)
  })

  test('counts once when it is replayed after the store was mended, however often, and nothing else counts again', async () => {
    const world = refusingConsumer()
    const { consumer, queue, poisoned } = world
    await queue.send(codec.encode(sampleBatch([good(1), culprit(1000), good(2), good(3)])))
    await consumer.drain()
    expect(await replayPoison({ poisoned, queue }, null)).toMatchObject({ replayed: [expect.any(String)], more: false })
    expect(await consumer.drain()).toMatchObject({ setAside: 1 })
    world.mend()
    const [{ body } = { body: '' }] = poisoned.held()
    await replayPoison({ poisoned, queue }, null)
    await queue.send(body)
    expect(await consumer.drain()).toMatchObject({ counted: 2 })
    expect([totalOf(world), poisoned.held()]).toEqual([1003, []])
    const [held] = world.ledger.held()
    expect(held?.meta).toMatchObject({ total: 1003, batches: held?.applied.size })
  })

  test('of a push: the part is told to the push log only when all of it was counted', async () => {
    const world = refusingConsumer()
    const { consumer, queue, poisoned } = world
    const push = { providerId: 'acme', batchId: 'nightly', part: 1 }
    await queue.send(codec.encode(sampleBatch([good(1), culprit(10)], push)))
    await consumer.drain()
    expect(world.told).toEqual([])
    world.mend()
    await replayPoison({ poisoned, queue }, null)
    await consumer.drain()
    expect(world.told).toMatchObject([[push, { applied: 11, late: 0 }]])
  })

  test('is searched for with few transactions: 400 uses, one culprit', async () => {
    const world = refusingConsumer()
    const deltas = Array.from({ length: 400 }, (_, number) => (number === 399 ? culprit(1) : good(number)))
    await world.consumer.wake(codec.encode(sampleBatch(deltas)))
    expect(totalOf(world)).toBe(399)
    expect(world.requests.filter((name) => name === 'commit').length).toBeLessThanOrEqual(40)
  })

  test('where the store refuses everything, a message costs two transactions and is set aside as a whole', async () => {
    const world = refusingConsumer(() => true)
    await world.consumer.wake(codec.encode(sampleBatch(Array.from({ length: 90 }, (_, number) => good(number)))))
    expect(world.poisoned.held()).toMatchObject([{ reason: 'refused', detail: expect.stringContaining('90 uses') }])
    expect(world.requests.filter((name) => name === 'commit')).toHaveLength(2)
    world.mend()
    await replayPoison(world, null)
    await world.consumer.drain()
    expect(totalOf(world)).toBe(90)
  })
})

describe('a replay', () => {
  test('of some ids leaves the others, and says which are missing', async () => {
    const { consumer, poisoned, queue } = refusingConsumer(() => true)
    const [one, two] = [sampleBatch([good(1)]), sampleBatch([good(2)])]
    for (const batch of [one, two]) await consumer.wake(codec.encode(batch))
    const replayed = await replayPoison({ poisoned, queue }, [two.batchId, 'host.boot.0'])
    expect(replayed).toEqual({ replayed: [two.batchId], missing: ['host.boot.0'], more: false })
    expect(poisoned.held().map(({ id }) => id)).toEqual([one.batchId])
  })

  test('does not remove a message that was set aside again meanwhile', async () => {
    const { consumer, poisoned, queue } = refusingConsumer(() => true)
    await consumer.wake(codec.encode(sampleBatch([good(1)])))
    const counting = { send: async (body: string) => consumer.wake(body) }
    await replayPoison({ poisoned, queue: counting }, null)
    expect(poisoned.held()).toHaveLength(1)
    expect(await queue.depth()).toBe(0)
  })
})
