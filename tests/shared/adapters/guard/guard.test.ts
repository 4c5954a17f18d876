import { RestError } from '@azure/data-tables'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ANSWERED } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { type CallPolicy, openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { CallRejected } from '../../../../shared/adapters/guard/guard-errors.ts'

// A guard lets the event loop turn once before it gives up: a real turn takes no time of the fake clock.
beforeEach(() => void vi.useFakeTimers({ toNotFake: ['setImmediate', 'clearImmediate'] }))
afterEach(() => void vi.useRealTimers())

const policy: CallPolicy = {
  ...{ attemptMs: 400, deadlineMs: 800, retries: 1, backoffMs: 50 },
  ...{ openMs: 5000, concurrency: 50 },
}

/** A guard before a dependency that answers as `reply` says, and the outcomes that it counted. */
function guarded(reply: (sent: number) => Promise<unknown>, change: Partial<CallPolicy> = {}) {
  const counted: Record<string, number> = {}
  const record = (what: string) => {
    counted[what] = (counted[what] ?? 0) + 1
  }
  const guard = openGuard({
    name: 'tables',
    policy: { ...policy, ...change },
    meter: {
      count: (_, labels) => record('outcome' in labels ? String(labels.outcome) : 'retries'),
      observe: () => undefined,
    },
    jitter: () => 1,
  })
  let sent = 0
  const send = () => guard.run(() => reply(sent++), answered).then(String, describeError)
  /** The results of `count` concurrent requests after `withinMs`. */
  const many = async (count: number, withinMs = 1000) => {
    const answers = Promise.all(Array.from({ length: count }, send))
    await vi.advanceTimersByTimeAsync(withinMs)
    return answers
  }
  return { guard, many, one: async () => (await many(1))[0], counted, sent: () => sent }
}

const answered = () => ANSWERED
const describeError = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))
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
  test('sends one request where the reply is an answer, also a refusal: 404, 409, 412', async () => {
    const { many, sent, counted } = guarded((n) => (n === 0 ? row() : failure([404, 409, 412][n - 1] ?? 0)))
    expect(await many(4)).toEqual(['row', 'RestError: no', 'RestError: no', 'RestError: no'])
    expect(sent()).toBe(4)
    expect(counted).toEqual({ ok: 4 })
  })

  test('retries a transient failure, and returns the second reply', async () => {
    const { one, counted } = guarded((n) => (n === 0 ? failure(503) : row()))
    expect(await one()).toBe('row')
    expect(counted).toEqual({ transient: 1, ok: 1, retries: 1 })
  })

  test.each([
    [400, 'validation'],
    [403, 'permanent'],
  ])('does not retry %i, which is %s', async (status, outcome) => {
    const { one, sent, counted } = guarded(() => failure(status))
    expect(await one()).toBe('RestError: no')
    expect(sent()).toBe(1)
    expect(counted).toEqual({ [outcome]: 1 })
  })

  test('times out an attempt after 400 ms and the request after 800 ms, even if nothing heeds the signal', async () => {
    const { many, counted } = guarded(silence)
    expect(await many(1, 800)).toEqual(['OutcomeUnknown: no reply within 350 ms'])
    expect(counted).toEqual({ transient: 1, retries: 1, exhausted: 1 })
  })

  test('aborts the attempt that timed out', async () => {
    const signals: AbortSignal[] = []
    const { guard } = guarded(silence)
    const timedOut = guard.run((signal) => {
      signals.push(signal)
      return silence()
    }, answered)
    timedOut.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(800)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('waits for the Retry-After, and does not retry where that exceeds the deadline', async () => {
    const patient = guarded((n) => (n === 0 ? throttled() : row()), { deadlineMs: 15_000 })
    const answer = patient.many(1, 0)
    await vi.advanceTimersByTimeAsync(9_999)
    expect(patient.sent()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toEqual(['row'])
    const impatient = guarded(throttled)
    expect(await impatient.one()).toBe('RestError: no')
    expect(impatient.sent()).toBe(1)
  })

  test('charges before every attempt, and sends nothing where the charge is rejected', async () => {
    const { guard, counted } = guarded(row)
    let charges = 0
    let sent = 0
    const charge = async () => {
      if (++charges > 2) throw new CallRejected('its request units are used up', 3)
    }
    const send = () => {
      sent++
      return failure(503)
    }
    const first = guard.run(send, answered, { charge }).catch(describeError)
    await vi.advanceTimersByTimeAsync(100)
    expect([await first, charges, sent]).toEqual(['RestError: no', 2, 2])
    expect(await guard.run(send, answered, { charge }).catch(describeError)).toBe(
      'CallRejected: its request units are used up',
    )
    expect([sent, counted.rejected]).toEqual([2, 1])
  })

  test('stops retrying when the retry budget is exhausted: a fifth of the requests plus 100 in 10 s', async () => {
    const { many, counted } = guarded((n) => (n % 5 < 2 ? failure(503) : row()), { retries: 20 })
    await many(1000)
    expect(counted.retries).toBe(100 + 0.2 * 1000)
    expect(counted.exhausted).toBeGreaterThan(0)
  })
})

describe('the bulkhead of a guard', () => {
  test('runs 50 requests at once and queues the rest', async () => {
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

  test('rejects a queued request whose deadline has passed', async () => {
    const slow = () => new Promise((resolve) => setTimeout(resolve, 390, 'row'))
    const { many, counted, sent } = guarded(slow, { concurrency: 1 })
    const answers = await many(10, 800)
    expect(answers.filter((answer) => answer === 'row')).toHaveLength(2)
    expect(answers.filter((answer) => answer === 'CallRejected: it was too busy for too long')).toHaveLength(7)
    expect(counted.rejected).toBe(7)
    await vi.advanceTimersByTimeAsync(5000)
    expect(sent()).toBe(3)
  })

  test('rejects at once what finds a full queue: 20 times as many', async () => {
    const { many } = guarded(silence, { concurrency: 2 })
    const answers = await many(50)
    expect(answers.filter((answer) => answer === 'CallRejected: too many requests wait for it')).toHaveLength(8)
  })
})

describe('the circuit breaker of a guard', () => {
  const open = 'CallRejected: its circuit breaker is open'
  let healthy = false
  const switchable = () => (healthy ? row() : failure(503))
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
    const few = guarded(switchable, { retries: 0 })
    await few.many(19)
    const refused = guarded(() => failure(404))
    await refused.many(100)
    expect([few.guard.state(), refused.guard.state()]).toEqual(['closed', 'closed'])
  })

  test('sends nothing while it is open, and rejects at once', async () => {
    const { many, sent } = guarded(switchable, { retries: 0 })
    await many(20)
    expect(new Set(await many(100, 0))).toEqual(new Set([open]))
    await vi.advanceTimersByTimeAsync(3999)
    expect(await many(1, 0)).toEqual([open])
    expect(sent()).toBe(20)
  })

  test('lets 3 probes through after 5 s and rejects all others meanwhile; closes when the probes succeed', async () => {
    const { guard, many, sent } = guarded(switchable, { retries: 0 })
    await many(20)
    healthy = true
    await vi.advanceTimersByTimeAsync(5000)
    const answers = await many(10)
    expect(answers.filter((answer) => answer === 'row')).toHaveLength(3)
    expect(answers.filter((answer) => answer === open)).toHaveLength(7)
    expect(sent()).toBe(23)
    expect(guard.state()).toBe('closed')
    expect(new Set(await many(20))).toEqual(new Set(['row']))
  })

  test('opens again at the first probe that fails', async () => {
    const { guard, many, sent } = guarded((n) => (n === 20 || n === 22 ? row() : failure(503)), { retries: 0 })
    await many(20)
    await vi.advanceTimersByTimeAsync(5000)
    await many(10)
    expect(sent()).toBe(23)
    expect(guard.state()).toBe('open')
    expect(await many(1, 0)).toEqual([open])
  })

  test('prevents a backoff before a retry that it would reject', async () => {
    const { many, sent } = guarded(switchable)
    expect(await many(20)).toContain('RestError: no')
    expect(sent()).toBe(20)
  })

  test('rejects the queued requests as soon as it opens', async () => {
    const { many, counted, sent } = guarded(silence, { concurrency: 20, retries: 0 })
    const answers = await many(200)
    expect(sent()).toBeLessThanOrEqual(40)
    expect(answers.filter((answer) => answer === open)).toHaveLength(200 - sent())
    expect(counted).toEqual({ exhausted: sent(), rejected: 200 - sent() })
  })
})
