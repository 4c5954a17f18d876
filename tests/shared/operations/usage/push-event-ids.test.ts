import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import type { PushedEvent } from '../../../../shared/domain/usage/push.ts'
import { pushUsage } from '../../../../shared/operations/usage/push-usage.ts'
import { seededRandom } from '../../../support/samples/random.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { acme, dyingAt, push, slowed, untilAccepted, usesOf } from '../../../support/worlds/pushing-world.ts'
import { usageReportingWorld } from '../../../support/worlds/usage-reporting-world.ts'

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof AppError ? error.code : 'dead'
  }
}

describe('the id of an event', () => {
  const ofBatch = (name: string, events: readonly Partial<PushedEvent>[]) => ({ ...push(events), batchId: name })

  test('is counted once per provider, across batches', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const theirs = await world.addKey({ providerId: 'globex' })
    const first = await pushUsage(
      world,
      acme,
      ofBatch('orders-1', [
        { keyId, id: 'e1', count: 3 },
        { keyId, id: 'e2' },
      ]),
    )
    const second = await pushUsage(
      world,
      acme,
      ofBatch('orders-2', [
        { keyId, id: 'e1', count: 3 },
        { keyId, id: 'e3' },
      ]),
    )
    const other = await pushUsage(
      world,
      oneProvider('globex'),
      ofBatch('orders-1', [{ keyId: theirs.keyId, id: 'e1' }]),
    )
    expect(first).toMatchObject({ accepted: 4, duplicate: 0 })
    expect(second).toMatchObject({ accepted: 1, duplicate: 3 })
    expect(other).toMatchObject({ accepted: 1, duplicate: 0 })
    expect(await usesOf(world, keyId)).toBe(5)
  })

  test('of a rejected event is not used up', async () => {
    const world = usageReportingWorld()
    const later = sampleKey({ providerId: 'acme' })
    await pushUsage(world, acme, ofBatch('orders-1', [{ keyId: later.keyId, id: 'e1' }]))
    await world.keys.create(later)
    expect(await pushUsage(world, acme, ofBatch('orders-2', [{ keyId: later.keyId, id: 'e1' }]))).toMatchObject({
      ...{ accepted: 1, duplicate: 0 },
    })
  })

  test('is known for 35 days and to the end of the last one, and free again after that', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const event = { keyId, id: 'e1' }
    await pushUsage(world, acme, ofBatch('orders-1', [event]))
    await world.time.advance(36 * 86_400_000)
    expect(await pushUsage(world, acme, ofBatch('orders-2', [event]))).toMatchObject({ accepted: 0, duplicate: 1 })
    await world.time.advance(86_400_000)
    expect(await pushUsage(world, acme, ofBatch('orders-3', [event]))).toMatchObject({ accepted: 1, duplicate: 0 })
  })

  /** Pushes two batches that share ids; the first dies at a call, the second comes before its retry. */
  async function dieAt(call: number, carriedOut: boolean, pauseMs: number): Promise<'died' | 'lived'> {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const batch = (name: string, ids: readonly string[]) => {
      const events = ids.map((id) => ({ keyId, id }))
      return ofBatch(name, events)
    }
    const [mine, other] = [batch('orders-1', ['a', 'b', 'c']), batch('orders-2', ['b', 'c', 'd'])]
    const died = await codeOf(pushUsage(dyingAt(world, call, carriedOut), acme, mine))
    await world.time.advance(pauseMs)
    expect(['usage_unavailable', 'none']).toContain(await codeOf(pushUsage(world, acme, other)))
    const first = await pushUsage(world, acme, mine)
    const second = await pushUsage(world, acme, other)
    expect(first.accepted + second.accepted).toBe(4)
    expect(first.duplicate + second.duplicate).toBe(2)
    expect(await usesOf(world, keyId)).toBe(4)
    return died === 'none' ? 'lived' : 'died'
  }

  test.each([
    [true, 1000],
    [false, 1000],
    [true, 600_000],
    [false, 600_000],
  ])(
    'counts once when a push of it dies at any call (carried out: %s) and others come %i ms later',
    async (out, ms) => {
      let call = 1
      while ((await dieAt(call, out, ms)) === 'died') call++
      expect(call).toBeGreaterThan(6)
    },
  )

  test('counts once when many batches with it are pushed at once, each retried until it is accepted', async () => {
    for (let round = 0; round < 20; round++) {
      const world = usageReportingWorld()
      const { keyId } = await world.addKey()
      const seed = seededRandom(round)
      const slow = slowed(world, seed)
      const batches = Array.from({ length: 5 }, (_, at) =>
        ofBatch(
          `orders-${at}`,
          Array.from({ length: 8 }, (_, n) => ({ keyId, id: `e${(at + n) % 10}` })),
        ),
      )
      const records = await Promise.all(batches.map((given) => untilAccepted(slow, given)))
      expect(records.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(10)
      expect(await usesOf(world, keyId)).toBe(10)
    }
  })
})
