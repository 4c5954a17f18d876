import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../../../../shared/domain/keys/key-format.ts'
import { type ValidateKeyInput, validateKey, validateKeys } from '../../../../shared/operations/keys/validate-key.ts'
import { failureLimits } from '../../../../shared/operations/limits/failure-limits.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { makeKey } from '../../../support/requests/callers.ts'

let services: FakeServices
let logged: string[]

beforeEach(() => {
  const fakes = fakeServices()
  const { limiter, digests, clock } = fakes
  logged = []
  const log = (_: string, message: string) => logged.push(message)
  const budgets = { perCaller: 10, perAddress: 4 }
  services = { ...fakes, failures: failureLimits({ limiter, hashIp: digests.ofAddress, clock, log }, budgets) }
})

const inputOf = (secret: string, { callerId = 'one', clientIp = null as string | null } = {}): ValidateKeyInput => ({
  ...{ callerId, secret, endpoint: '', cost: 1, bypassCache: false },
  requirements: { environment: null, scopes: [], anyScopes: [], clientIp, dryRun: false },
})

async function codeOf(secret: string, from: Parameters<typeof inputOf>[1] = {}): Promise<string> {
  const code = await validateKey(services, everyProvider, inputOf(secret, from)).then(
    (validation) => validation.code,
    (error) => error.code,
  )
  await rest()
  return code
}

async function failTimes(times: number, from: Parameters<typeof inputOf>[1] = {}): Promise<void> {
  for (let made = 0; made < times; made++) await codeOf('garbage', from)
}

const unknown = () => generateSecret('live', randomBytes)

describe('a caller that presents too many unknown keys', () => {
  test('is refused with too_many_failures, for malformed keys and for unknown keys', async () => {
    await failTimes(5)
    for (let made = 0; made < 5; made++) expect(await codeOf(unknown())).toBe('NOT_FOUND')
    // This failure exhausts the budget.
    expect(await codeOf(unknown())).toBe('NOT_FOUND')
    expect(await codeOf(unknown())).toBe('too_many_failures')
    expect(await codeOf('garbage')).toBe('too_many_failures')
  })

  test('may use keys that are cached here, at any age; any other key is refused without a lookup', async () => {
    const known = await makeKey(services)
    const unseen = await makeKey(services)
    await codeOf(known.secret)
    await services.time.advance(30_000)
    await failTimes(11)
    expect(await codeOf(known.secret)).toBe('VALID')
    services.keys.findByDigest = () => Promise.reject(new Error('looked up'))
    expect(await codeOf(unseen.secret)).toBe('too_many_failures')
  })

  test('does not affect other callers', async () => {
    await failTimes(11)
    expect(await codeOf(unknown(), { callerId: 'other' })).toBe('NOT_FOUND')
  })

  test('may retry when the failures are a minute old', async () => {
    await failTimes(11)
    await services.time.advance(30_000)
    expect(await codeOf(unknown())).toBe('too_many_failures')
    await services.time.advance(40_000)
    expect(await codeOf(unknown())).toBe('NOT_FOUND')
  })

  test('is named in the log once', async () => {
    await failTimes(30)
    expect(logged).toHaveLength(1)
    expect(logged[0]).toContain('fails too often')
  })

  test('gets a whole batch refused before any verdict, and only where one of its keys is not cached here', async () => {
    const { secret } = await makeKey(services)
    await codeOf(secret)
    const uses = services.queue.held().length
    await failTimes(11)
    const batch = (secrets: readonly string[]) =>
      validateKeys(
        services,
        everyProvider,
        secrets.map((one) => inputOf(one)),
      )
    await expect(batch([secret, unknown()])).rejects.toMatchObject({ code: 'too_many_failures' })
    expect(services.queue.held()).toHaveLength(uses)
    expect((await batch([secret, secret])).map(({ code }) => code)).toEqual(['VALID', 'VALID'])
  })
})

describe('a client address', () => {
  test('has a smaller budget of its own under each caller', async () => {
    const clientIp = '192.0.2.1'
    await failTimes(5, { clientIp })
    expect(await codeOf(unknown(), { clientIp })).toBe('too_many_failures')
    expect(await codeOf(unknown(), { clientIp: '192.0.2.2' })).toBe('NOT_FOUND')
    expect(await codeOf(unknown())).toBe('NOT_FOUND')
    expect(await codeOf(unknown(), { clientIp, callerId: 'other' })).toBe('NOT_FOUND')
  })
})

test('a failure that cannot be counted does not affect the answer', async () => {
  const { digests, clock } = services
  const limiter = { ...services.limiter, take: () => Promise.reject(new Error('broken')) }
  const log = (_: string, message: string) => logged.push(message)
  services = { ...services, failures: failureLimits({ limiter, hashIp: digests.ofAddress, clock, log }) }
  expect(await codeOf('garbage')).toBe('MALFORMED')
  expect(logged).toEqual(['A failure could not be counted.'])
})
