import type { TokenCredential } from '@azure/identity'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { appIdentity } from '../../../../shared/adapters/identity/app-identity.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const scope = 'https://storage.azure.com/.default'
const hour = 60 * 60_000

/** An identity whose tokens hold for an hour and are numbered. */
function identity(answer: (asked: number) => Promise<void> = () => Promise.resolve()) {
  let loads = 0
  let asked = 0
  const source: TokenCredential = {
    getToken: async () => {
      const number = ++asked
      await answer(number)
      return { token: `token-${number}`, expiresOnTimestamp: Date.now() + hour }
    },
  }
  const credential = appIdentity(openGuard({ name: 'identity', jitter: () => 0 }), async () => {
    loads++
    return source
  })
  return { token: async () => (await credential.getToken(scope))?.token, credential, loads: () => loads }
}

test('nothing is loaded before a token is asked for, and then once', async () => {
  const { token, loads } = identity()
  expect(loads()).toBe(0)
  await token()
  await vi.advanceTimersByTimeAsync(hour)
  await token()
  expect(loads()).toBe(1)
})

test('callers at once share one request, and its token serves until 5 minutes before its end', async () => {
  const { token } = identity()
  expect(await Promise.all([token(), token()])).toEqual(['token-1', 'token-1'])
  await vi.advanceTimersByTimeAsync(hour - 5 * 60_000 - 1)
  expect([await token(), await token()]).toEqual(['token-1', 'token-1'])
})

test('a token near its end is renewed, and nobody waits for that', async () => {
  const { token } = identity()
  await token()
  await vi.advanceTimersByTimeAsync(hour - 5 * 60_000)
  expect(await token()).toBe('token-1')
  await vi.advanceTimersByTimeAsync(0)
  expect(await token()).toBe('token-2')
})

test('while nobody gives out tokens the last one serves almost to its end, and no longer', async () => {
  const { token } = identity((asked) => (asked === 1 ? Promise.resolve() : Promise.reject(new Error('IMDS is away'))))
  await token()
  await vi.advanceTimersByTimeAsync(hour - 30_001)
  expect(await token()).toBe('token-1')
  await vi.advanceTimersByTimeAsync(1)
  const spent = token().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await spent).toMatchObject({ name: 'OutcomeUnknown' })
})

test('tokens of two scopes are two', async () => {
  const { credential, token } = identity()
  await token()
  expect((await credential.getToken('https://cosmos.azure.com/.default'))?.token).toBe('token-2')
})

test('a failure is tried again, and one that goes on says nothing of how the token was asked for', async () => {
  const once = identity((asked) => (asked === 1 ? Promise.reject(new Error('IMDS is busy')) : Promise.resolve()))
  const token = once.token()
  await vi.advanceTimersByTimeAsync(1000)
  expect(await token).toBe('token-2')

  const never = identity(() => Promise.reject(Object.assign(new Error('secret=abc'), { name: 'AuthenticationError' })))
  const failed = never.token().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await failed).toMatchObject({ name: 'OutcomeUnknown', message: 'no token could be had (AuthenticationError)' })
  expect(JSON.stringify(await failed)).not.toContain('secret')
})
