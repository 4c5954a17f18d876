import { describe, expect, test } from 'vitest'
import { type IdempotentCall, startIdempotent } from '../../../shared/operations/start-idempotent.ts'
import { type FakeServices, fakeServices } from '../../support/memory/fake-services.ts'

const call: IdempotentCall = { callerId: 'admin', key: 'order-42', request: 'POST /auth/keys/generate {}' }
const answer = { status: 201, headers: { location: '/x' }, body: { key: null } }
const dayMs = 86_400_000

async function startMine(services: FakeServices, change: Partial<IdempotentCall> = {}) {
  const start = await startIdempotent(services, { ...call, ...change })
  if (start.kind !== 'mine') throw new Error('the call was replayed')
  return start
}

describe('a finished call', () => {
  test('replays its first answer for 24 h, and starts again after that', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.finish(answer)
    await services.time.advance(dayMs - 1)
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
    await services.time.advance(1)
    expect((await startMine(services)).seed).not.toBe(first.seed)
  })

  test('refuses another request under the same key', async () => {
    const services = fakeServices()
    await (await startMine(services)).finish(answer)
    const other = startIdempotent(services, { ...call, request: 'POST /auth/keys/generate {"a":1}' })
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' })
    expect(await startIdempotent(services, call)).toMatchObject({ kind: 'replayed' })
  })

  test('does not affect another caller, nor another key of the same caller', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.finish(answer)
    const seeds = [
      (await startMine(services, { callerId: 'other' })).seed,
      (await startMine(services, { key: 'b' })).seed,
    ]
    expect(new Set([first.seed, ...seeds]).size).toBe(3)
  })
})

describe('a call in progress', () => {
  test('is not started again within its first minute: the second try is told to retry', async () => {
    const services = fakeServices()
    await startMine(services)
    await services.time.advance(59_999)
    await expect(startIdempotent(services, call)).rejects.toMatchObject({
      code: 'idempotency_in_progress',
      retryAfterSeconds: 1,
    })
  })

  test('without an answer for a minute is taken over with the same seed', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await services.time.advance(60_000)
    expect((await startMine(services)).seed).toBe(first.seed)
  })

  test('is taken over by one of many concurrent tries', async () => {
    const services = fakeServices()
    await startMine(services)
    await services.time.advance(60_000)
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startIdempotent(services, call)))
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('is started by one of many concurrent tries', async () => {
    const services = fakeServices()
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startIdempotent(services, call)))
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('a call that failed', () => {
  test('without side effects frees its key: another request may use it', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.release()
    expect((await startMine(services, { request: 'something else' })).seed).not.toBe(first.seed)
  })

  test('with an unknown outcome is taken over at once, with the same seed', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.abandon()
    expect((await startMine(services)).seed).toBe(first.seed)
  })
})

describe('a try that was taken over', () => {
  async function takenOver() {
    const services = fakeServices()
    const slow = await startMine(services)
    await services.time.advance(60_000)
    return { services, slow, quick: await startMine(services) }
  }

  test('does not free the key of the try that took over', async () => {
    const { services, slow } = await takenOver()
    await slow.release()
    await expect(startIdempotent(services, call)).rejects.toMatchObject({ code: 'idempotency_in_progress' })
  })

  test('does not overwrite the answer of the try that took over', async () => {
    const { services, slow, quick } = await takenOver()
    await quick.finish(answer)
    await slow.abandon()
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
    await slow.finish({ ...answer, status: 200 })
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
  })
})
