import { RestError } from '@azure/data-tables'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ANSWERED } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { type CallPolicy, openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { CallRejected } from '../../../../shared/adapters/guard/guard-errors.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const policy: CallPolicy = {
  ...{ tryMs: 400, totalMs: 800, retries: 1, firstDelayMs: 50 },
  ...{ openMs: 5000, concurrency: 50 },
}

/** A guard before a dependency that does as `reply` says, and what became of what it was asked. */
function guarded(reply: (asked: number) => Promise<unknown>, change: Partial<CallPolicy> = {}) {
  const counted: Record<string, number> = {}
  const note = (what: string) => {
    counted[what] = (counted[what] ?? 0) + 1
  }
  const guard = openGuard({
    name: 'tables',
    policy: { ...policy, ...change },
    meter: {
      count: (_, labels) => note('outcome' in labels ? String(labels.outcome) : 'retries'),
      observe: () => undefined,
    },
    jitter: () => 1,
  })
  let asked = 0
  const ask = () => guard.run(() => reply(asked++), answered).then(String, tell)
  /** What so many requests at once come to, given time. */
  const many = async (count: number, withinMs = 1000) => {
    const answers = Promise.all(Array.from({ length: count }, ask))
    await vi.advanceTimersByTimeAsync(withinMs)
    return answers
  }
  return { guard, many, one: async () => (await many(1))[0], counted, asked: () => asked }
}

const answered = () => ANSWERED
const tell = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))
const failure = (status: number, headers: Record<string, string> = {}) =>
  Promise.reject(
    Object.assign(new RestError('no', { statusCode: status }), {
      response: { headers: { get: (name: string) => headers[name] } },
    }),
  )
const silence = () => new Promise<never>(() => undefined)

const row = () => Promise.resolve('row')
const throttled = () => failure(429, { 'retry-after': '10' })

describe('a guard', () => {
  test('asks once where the answer is one, be it a refusal: 404, 409 and 412 included', async () => {
    const { many, asked, counted } = guarded((n) => (n === 0 ? row() : failure([404, 409, 412][n - 1] ?? 0)))
    expect(await many(4)).toEqual(['row', 'RestError: no', 'RestError: no', 'RestError: no'])
    expect(asked()).toBe(4)
    expect(counted).toEqual({ ok: 4 })
  })

  test('asks again where the failure is transient, and tells of the second answer', async () => {
    const { one, counted } = guarded((n) => (n === 0 ? failure(503) : row()))
    expect(await one()).toBe('row')
    expect(counted).toEqual({ transient: 1, ok: 1, retries: 1 })
  })

  test.each([
    [400, 'validation'],
    [403, 'permanent'],
  ])('does not ask again after %i, which is %s', async (status, outcome) => {
    const { one, asked, counted } = guarded(() => failure(status))
    expect(await one()).toBe('RestError: no')
    expect(asked()).toBe(1)
    expect(counted).toEqual({ [outcome]: 1 })
  })

  test('gives up a try after 400 ms and the request after 800 ms, though nothing heeds the signal', async () => {
    const { many, counted } = guarded(silence)
    expect(await many(1, 800)).toEqual(['OutcomeUnknown: no reply within 350 ms'])
    expect(counted).toEqual({ transient: 1, retries: 1, exhausted: 1 })
  })

  test('aborts the request that it gives up', async () => {
    const signals: AbortSignal[] = []
    const { guard } = guarded(silence)
    const gaveUp = guard.run((signal) => {
      signals.push(signal)
      return silence()
    }, answered)
    gaveUp.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(800)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('waits as long as the dependency asks for, and not at all where that is more than a caller has', async () => {
    const patient = guarded((n) => (n === 0 ? throttled() : row()), { totalMs: 15_000 })
    const answer = patient.many(1, 0)
    await vi.advanceTimersByTimeAsync(9_999)
    expect(patient.asked()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toEqual(['row'])
    const hurried = guarded(throttled)
    expect(await hurried.one()).toBe('RestError: no')
    expect(hurried.asked()).toBe(1)
  })

  test('pays before every try, and does not ask where it cannot', async () => {
    const { guard, counted } = guarded(row)
    let paid = 0
    let asked = 0
    const pay = async () => {
      if (++paid > 2) throw new CallRejected('its request units are used up', 3)
    }
    const ask = () => {
      asked++
      return failure(503)
    }
    const first = guard.run(ask, answered, pay).catch(tell)
    await vi.advanceTimersByTimeAsync(100)
    expect([await first, paid, asked]).toEqual(['RestError: no', 2, 2])
    expect(await guard.run(ask, answered, pay).catch(tell)).toBe('CallRejected: its request units are used up')
    expect([asked, counted.rejected]).toEqual([2, 1])
  })

  test('stops retrying when the budget is used up: 100 in 10 s beside a fifth of the requests', async () => {
    const { many, counted } = guarded((n) => (n % 5 < 2 ? failure(503) : row()), { retries: 20 })
    await many(1000)
    expect(counted.retries).toBe(100 + 0.2 * 1000)
    expect(counted.exhausted).toBeGreaterThan(0)
  })
})

describe('the bulkhead of a guard', () => {
  test('lets 50 requests through at once and the rest in their turn', async () => {
    let underWay = 0
    let most = 0
    const { many } = guarded(async () => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setTimeout(resolve, 10))
      underWay--
      return 'row'
    })
    expect(new Set(await many(200))).toEqual(new Set(['row']))
    expect(most).toBe(50)
  })

  test('lets nobody wait for a place longer than a request may take', async () => {
    const slow = () => new Promise((resolve) => setTimeout(resolve, 390, 'row'))
    const { many, counted, asked } = guarded(slow, { concurrency: 1 })
    const answers = await many(10, 800)
    expect(answers.filter((answer) => answer === 'row')).toHaveLength(2)
    expect(answers.filter((answer) => answer === 'CallRejected: it was too busy for too long')).toHaveLength(7)
    expect(counted.rejected).toBe(7)
    await vi.advanceTimersByTimeAsync(5000)
    expect(asked()).toBe(3)
  })

  test('turns away at once what finds 20 times as many waiting', async () => {
    const { many } = guarded(silence, { concurrency: 2 })
    const answers = await many(50)
    expect(answers.filter((answer) => answer === 'CallRejected: too many requests wait for it')).toHaveLength(8)
  })
})

describe('the circuit breaker of a guard', () => {
  const open = 'CallRejected: its circuit breaker is open'
  let healthy = false
  const moody = () => (healthy ? row() : failure(503))
  beforeEach(() => {
    healthy = false
  })

  test.each([
    [10, 'open'],
    [9, 'closed'],
  ])('after %i failures of 20 requests in 5 s is %s', async (failures, state) => {
    const { guard, many } = guarded((n) => (n < 20 - failures ? row() : failure(503)), { retries: 0 })
    await many(20)
    expect(guard.state()).toBe(state)
  })

  test('stays closed for fewer than 20 requests in 5 s, and for refusals that are answers', async () => {
    const few = guarded(moody, { retries: 0 })
    await few.many(19)
    const refused = guarded(() => failure(404))
    await refused.many(100)
    expect([few.guard.state(), refused.guard.state()]).toEqual(['closed', 'closed'])
  })

  test('asks nobody while it is open, and answers in no time', async () => {
    const { many, asked } = guarded(moody, { retries: 0 })
    await many(20)
    expect(new Set(await many(100, 0))).toEqual(new Set([open]))
    await vi.advanceTimersByTimeAsync(3999)
    expect(await many(1, 0)).toEqual([open])
    expect(asked()).toBe(20)
  })

  test('lets 3 through after 5 s and nobody else meanwhile; closes when they did well', async () => {
    const { guard, many, asked } = guarded(moody, { retries: 0 })
    await many(20)
    healthy = true
    await vi.advanceTimersByTimeAsync(5000)
    const answers = await many(10)
    expect(answers.filter((answer) => answer === 'row')).toHaveLength(3)
    expect(answers.filter((answer) => answer === open)).toHaveLength(7)
    expect(asked()).toBe(23)
    expect(guard.state()).toBe('closed')
    expect(new Set(await many(20))).toEqual(new Set(['row']))
  })

  test('opens again with the first of the 3 that fails', async () => {
    const { guard, many, asked } = guarded((n) => (n === 20 || n === 22 ? row() : failure(503)), { retries: 0 })
    await many(20)
    await vi.advanceTimersByTimeAsync(5000)
    await many(10)
    expect(asked()).toBe(23)
    expect(guard.state()).toBe('open')
    expect(await many(1, 0)).toEqual([open])
  })

  test('lets nobody wait for a retry that it would refuse', async () => {
    const { many, asked } = guarded(moody)
    expect(await many(20)).toContain('RestError: no')
    expect(asked()).toBe(20)
  })

  test('turns away who waits for a place, as soon as it opens', async () => {
    const { many, counted, asked } = guarded(silence, { concurrency: 20, retries: 0 })
    const answers = await many(200)
    expect(asked()).toBeLessThanOrEqual(40)
    expect(answers.filter((answer) => answer === open)).toHaveLength(200 - asked())
    expect(counted).toEqual({ exhausted: asked(), rejected: 200 - asked() })
  })
})
