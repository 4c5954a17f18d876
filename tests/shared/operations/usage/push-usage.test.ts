import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { pushUsage } from '../../../../shared/operations/usage/push-usage.ts'
import { readKeyUsage } from '../../../../shared/operations/usage/read-key-usage.ts'
import { readProviderUsage } from '../../../../shared/operations/usage/read-provider-usage.ts'
import { readPush } from '../../../../shared/operations/usage/read-push.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { acme, batchId, dyingAt, push, usesOf } from '../../../support/worlds/pushing-world.ts'
import { usageReportingWorld } from '../../../support/worlds/usage-reporting-world.ts'

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof AppError ? error.code : `no AppError: ${error}`
}

describe('a pushed batch', () => {
  test('is queued, then completed, and every accepted use is counted', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const record = await pushUsage(
      world,
      acme,
      push([
        { keyId, count: 3 },
        { keyId, endpoint: '/b' },
      ]),
    )
    expect(record).toMatchObject({ batchId, accepted: 4, duplicate: 0, rejected: [], parts: 1 })
    expect((await readPush(world, acme, batchId)).progress.status).toBe('queued')
    expect(await usesOf(world, keyId)).toBe(4)
    const { progress } = await readPush(world, acme, batchId)
    expect(progress).toMatchObject({ status: 'completed', applied: 4, late: 0 })
  })

  test('counts the valid events, and reports why each invalid event is not counted', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const theirs = await world.addKey({ providerId: 'globex' })
    const record = await pushUsage(
      world,
      acme,
      push([
        { keyId: theirs.keyId },
        { keyId: sampleKey().keyId },
        { keyId },
        { keyId, at: new Date('2026-01-01') },
        { keyId, at: new Date('2026-11-22T16:25:00.001Z') },
      ]),
    )
    expect(record.accepted).toBe(1)
    expect(record.rejected.map(({ index, code }) => [index, code])).toEqual([
      [0, 'key_not_found'],
      [1, 'key_not_found'],
      [3, 'too_old'],
      [4, 'in_the_future'],
    ])
    const [ofAnother, missing] = record.rejected
    expect({ ...ofAnother, index: 1 }).toEqual(missing)
  })

  test('sent again gives the same answer and is counted once, also after a key was created meanwhile', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const later = sampleKey({ providerId: 'acme' })
    const given = push([{ keyId }, { keyId: later.keyId }])
    const first = await pushUsage(world, acme, given)
    await world.keys.create(later)
    await world.time.advance(60_000)
    expect(await pushUsage(world, acme, given)).toEqual({ ...first, sent: true })
    expect(await usesOf(world, keyId)).toBe(1)
    expect(await usesOf(world, later.keyId)).toBe(0)
  })

  test('is refused when its id belongs to other events, and counts none of its own', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await pushUsage(world, acme, push([{ keyId }]))
    expect(await codeOf(pushUsage(world, acme, push([{ keyId }, { keyId }])))).toBe('batch_id_reused')
    expect(await usesOf(world, keyId)).toBe(1)
  })

  test('of another provider may have the same id, and is not visible to this provider', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey({ providerId: 'globex' })
    const globex = oneProvider('globex')
    await pushUsage(world, globex, push([{ keyId }]))
    const refusal = (id: string) => readPush(world, acme, id).catch((error: Error) => error.message)
    expect(await refusal(batchId)).toBe(await refusal('never-seen'))
    expect(await codeOf(readPush(world, acme, batchId))).toBe('batch_not_found')
    expect((await readPush(world, globex, batchId)).record.accepted).toBe(1)
  })

  test('without a valid event is completed at once', async () => {
    const world = usageReportingWorld()
    const record = await pushUsage(world, acme, push([{ keyId: sampleKey().keyId }]))
    expect(record).toMatchObject({ accepted: 0, parts: 0 })
    expect((await readPush(world, acme, batchId)).progress.status).toBe('completed')
  })

  test('of 10,000 events over many keys and days is cut into messages, and counted to the last use', async () => {
    const world = usageReportingWorld()
    const keys = await Promise.all(Array.from({ length: 500 }, () => world.addKey()))
    const events = Array.from({ length: 10_000 }, (_, index) => ({
      keyId: keys[index % keys.length]?.keyId ?? '',
      at: new Date(Date.parse('2026-11-22T16:00:00Z') - (index % 20) * 86_400_000),
      endpoint: `/orders/${index % 7}`,
    }))
    const record = await pushUsage(world, acme, push(events))
    expect(record.accepted).toBe(10_000)
    expect(record.parts).toBeGreaterThan(5)
    await world.consumer.drain()
    await world.rollUp()
    const { progress } = await readPush(world, acme, batchId)
    expect(progress).toMatchObject({ status: 'completed', applied: 10_000, partsCounted: record.parts })
    const counted = world.ledger.held().flatMap(({ counters }) => [...counters.values()])
    expect(counted.reduce((sum, { total }) => sum + total, 0)).toBe(10_000)
    expect(world.poison.held()).toEqual([])
  })
})

describe('the days of a pushed batch', () => {
  test('are in all reports once the batch is completed, and it is not completed before', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const days = [0, 1, 2, 20, 34].map((ago) => new Date(Date.parse('2026-11-22T16:20:00Z') - ago * 86_400_000))
    await pushUsage(world, acme, push(days.map((at) => ({ keyId, at }))))
    await world.consumer.drain()
    expect((await readPush(world, acme, batchId)).progress.status).toBe('processing')
    await world.time.advance(60_000)
    await world.rollUp()
    expect((await readPush(world, acme, batchId)).progress.status).toBe('completed')
    const request = { from: { at: new Date('2026-10-01'), wholeDay: true }, to: null, granularity: 'day' } as const
    expect((await readKeyUsage(world, acme, keyId, request)).totals.total).toBe(5)
    expect((await readProviderUsage(world, acme, null, request)).totals.total).toBe(5)
    expect((await readProviderUsage(world, acme, 'key', request)).grouped?.groups).toMatchObject([{ total: 5 }])
    expect(await world.marks.requested()).toEqual([])
  })

  test('a use a few minutes ahead of the clock is counted, and is never the last use before its time', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    await pushUsage(world, acme, push([{ keyId, at: new Date('2026-11-22T16:24:00Z') }]))
    await world.consumer.drain()
    await world.rollUp()
    const request = { from: null, to: null, granularity: 'day' } as const
    const now = world.clock.now().toISOString()
    const usage = await readKeyUsage(world, acme, keyId, request)
    expect([usage.totals.total, usage.lastUsedAt]).toEqual([1, now])
    expect((await readProviderUsage(world, acme, 'key', request)).lastUsedAt).toBe(now)
  })
})

describe('a push that is interrupted', () => {
  test.for([true, false])(
    'at any call (carried out: %s) is completed by a retry: each use counts once',
    async (out) => {
      for (let call = 1, done = false; !done; call++) {
        const world = usageReportingWorld()
        const { keyId } = await world.addKey()
        const given = push(Array.from({ length: 600 }, (_, index) => ({ keyId, endpoint: `/endpoint-${index}` })))
        const died = await pushUsage(dyingAt(world, call, out), acme, given).then(
          () => false,
          () => true,
        )
        if (call % 2 === 0) await world.consumer.drain()
        const record = await pushUsage(world, acme, given)
        expect(record).toMatchObject({ accepted: 600, rejected: [] })
        expect(record.parts).toBeGreaterThan(1)
        expect(await usesOf(world, keyId)).toBe(600)
        expect((await readPush(world, acme, batchId)).progress).toMatchObject({ status: 'completed', applied: 600 })
        done = !died
      }
    },
  )

  test('two concurrent pushes of a batch count each use once, and give the same answer', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const given = push(Array.from({ length: 600 }, (_, index) => ({ keyId, endpoint: `/endpoint-${index}` })))
    const [one, other] = await Promise.all([pushUsage(world, acme, given), pushUsage(world, acme, given)])
    expect({ ...one, sent: true }).toEqual({ ...other, sent: true })
    expect(await usesOf(world, keyId)).toBe(600)
  })

  test('names the id for the retry when the queue does not acknowledge it', async () => {
    const world = usageReportingWorld()
    const { keyId } = await world.addKey()
    const down = { send: () => Promise.reject(new Error('no reply')) }
    const failure = await pushUsage({ ...world, queue: down }, acme, push([{ keyId }])).catch(
      (error: AppError) => error,
    )
    expect(failure).toMatchObject({ code: 'usage_unavailable', message: expect.stringContaining(batchId) })
    expect(await usesOf(world, keyId)).toBe(0)
    await pushUsage(world, acme, push([{ keyId }]))
    expect(await usesOf(world, keyId)).toBe(1)
  })
})
