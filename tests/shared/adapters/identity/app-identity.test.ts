import type { TokenCredential } from '@azure/identity'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { appIdentity } from '../../../../shared/adapters/identity/app-identity.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const scope = 'https://storage.azure.com/.default'
const hour = 60 * 60_000

/** An identity whose tokens are numbered and expire after an hour. */
function identity(answer: (requests: number) => Promise<void> = () => Promise.resolve()) {
  let loads = 0
  let requests = 0
  const source: TokenCredential = {
    getToken: async () => {
      const number = ++requests
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

test('the library is loaded with the first token, once', async () => {
  const { token, loads } = identity()
  expect(loads()).toBe(0)
  await token()
  await vi.advanceTimersByTimeAsync(hour)
  await token()
  expect(loads()).toBe(1)
})

test('concurrent callers share one request, and its token is used until 5 minutes before its expiry', async () => {
  const { token } = identity()
  expect(await Promise.all([token(), token()])).toEqual(['token-1', 'token-1'])
  await vi.advanceTimersByTimeAsync(hour - 5 * 60_000 - 1)
  expect([await token(), await token()]).toEqual(['token-1', 'token-1'])
})

test('a token near its expiry is renewed in the background, without delaying a caller', async () => {
  const { token } = identity()
  await token()
  await vi.advanceTimersByTimeAsync(hour - 5 * 60_000)
  expect(await token()).toBe('token-1')
  await vi.advanceTimersByTimeAsync(0)
  expect(await token()).toBe('token-2')
})

test('while no token is issued the last one is used until 30 s before its expiry, and no longer', async () => {
  const { token } = identity((requests) =>
    requests === 1 ? Promise.resolve() : Promise.reject(new Error('IMDS is away')),
  )
  await token()
  await vi.advanceTimersByTimeAsync(hour - 30_001)
  expect(await token()).toBe('token-1')
  await vi.advanceTimersByTimeAsync(1)
  const spent = token().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await spent).toMatchObject({ name: 'OutcomeUnknown' })
})

test('each scope has its own token', async () => {
  const { credential, token } = identity()
  await token()
  expect((await credential.getToken('https://cosmos.azure.com/.default'))?.token).toBe('token-2')
})

test('a failure is retried, and a lasting one reveals nothing of the request for the token', async () => {
  const once = identity((requests) => (requests === 1 ? Promise.reject(new Error('IMDS is busy')) : Promise.resolve()))
  const token = once.token()
  await vi.advanceTimersByTimeAsync(1000)
  expect(await token).toBe('token-2')

  const never = identity(() => Promise.reject(Object.assign(new Error('secret=abc'), { name: 'AuthenticationError' })))
  const failed = never.token().catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1000)
  expect(await failed).toMatchObject({ name: 'OutcomeUnknown', message: 'no token could be had (AuthenticationError)' })
  expect(JSON.stringify(await failed)).not.toContain('secret')
})
