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
  test('is answered with its first answer for 24 h, and begins anew after that', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.finish(answer)
    await services.time.advance(dayMs - 1)
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
    await services.time.advance(1)
    expect((await startMine(services)).seed).not.toBe(first.seed)
  })

  test('is not repeated for another request under the same key: that is refused', async () => {
    const services = fakeServices()
    await (await startMine(services)).finish(answer)
    const other = startIdempotent(services, { ...call, request: 'POST /auth/keys/generate {"a":1}' })
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' })
    expect(await startIdempotent(services, call)).toMatchObject({ kind: 'replayed' })
  })

  test('is nothing to another caller, nor to another key of the same caller', async () => {
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

describe('a call that is under way', () => {
  test('is not begun a second time within its first minute: the second is told to try again', async () => {
    const services = fakeServices()
    await startMine(services)
    await services.time.advance(59_999)
    await expect(startIdempotent(services, call)).rejects.toMatchObject({
      code: 'idempotency_in_progress',
      retryAfterSeconds: 1,
    })
  })

  test('that goes silent for a minute is taken over with the same seed', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await services.time.advance(60_000)
    expect((await startMine(services)).seed).toBe(first.seed)
  })

  test('is taken over by one of many', async () => {
    const services = fakeServices()
    await startMine(services)
    await services.time.advance(60_000)
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startIdempotent(services, call)))
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('is begun by one of many', async () => {
    const services = fakeServices()
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startIdempotent(services, call)))
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('a call that failed', () => {
  test('frees its key when it left nothing behind: another request may use it', async () => {
    const services = fakeServices()
    const first = await startMine(services)
    await first.release()
    expect((await startMine(services, { request: 'something else' })).seed).not.toBe(first.seed)
  })

  test('is taken over at once, with the same seed, when nobody knows how far it came', async () => {
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

  test('does not free the key under the one that took over', async () => {
    const { services, slow } = await takenOver()
    await slow.release()
    await expect(startIdempotent(services, call)).rejects.toMatchObject({ code: 'idempotency_in_progress' })
  })

  test('does not take the answer away that the other one gave', async () => {
    const { services, slow, quick } = await takenOver()
    await quick.finish(answer)
    await slow.abandon()
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
    await slow.finish({ ...answer, status: 200 })
    expect(await startIdempotent(services, call)).toEqual({ kind: 'replayed', answer })
  })
})
