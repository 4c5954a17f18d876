import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { sqliteKeyReplica } from '../../../../shared/adapters/sqlite/key-replica.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../../../../shared/domain/keys/key-format.ts'
import { type ValidateKeyInput, validateKey, validateKeys } from '../../../../shared/operations/keys/validate-key.ts'
import { failureLimits } from '../../../../shared/operations/limits/failure-limits.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { keyLookupElsewhere } from '../../../support/worlds/key-lookup-elsewhere.ts'
import { makeDisk } from '../../../support/worlds/knowing-instances.ts'

let services: FakeServices
let logged: string[]

const budgets = { perCaller: 30, perAddress: 6 }

function failuresOf({ limiter, digests, clock, time }: FakeServices) {
  const log = (_: string, message: string) => logged.push(message)
  return failureLimits({ limiter, hashIp: digests.ofAddress, clock, scheduler: time.scheduler, log }, budgets)
}

beforeEach(() => {
  const fakes = fakeServices()
  logged = []
  services = { ...fakes, failures: failuresOf(fakes) }
})

const inputOf = (secret: string, { callerId = 'one', clientIp = null as string | null } = {}): ValidateKeyInput => ({
  ...{ callerId, secret, endpoint: '', cost: 1, bypassCache: false },
  requirements: { environment: null, scopes: [], anyScopes: [], clientIp, dryRun: false },
})

type From = Parameters<typeof inputOf>[1]

const unknown = () => generateSecret('live', randomBytes)

function codeOf(secret: string, from: From = {}, instance: FakeServices = services): Promise<string> {
  return validateKey(instance, everyProvider, inputOf(secret, from)).then(
    (validation) => validation.code,
    (error) => error.code,
  )
}

/** The verdicts of calls that are made at once, one second later. */
async function codesOf(secrets: readonly string[], from: From = {}, instance = services): Promise<string[]> {
  const codes = Promise.all(secrets.map((secret) => codeOf(secret, from, instance)))
  await services.time.advance(1000)
  return codes
}

const repeat = <T>(times: number, make: () => T) => Array.from({ length: times }, make)

async function exhaust(from: From = {}): Promise<void> {
  await codesOf(repeat(budgets.perCaller + 1, unknown), from)
}

/** Another instance on the same stores: it knows no key and no exhausted budget. */
function newInstance(change: Parameters<typeof keyLookupElsewhere>[1] = {}): FakeServices {
  return { ...services, keyLookup: keyLookupElsewhere(services, change), failures: failuresOf(services) }
}

describe('a caller that presents too many unknown keys', () => {
  test('is slowed down: 50 lookups a second, and too_many_failures only where a second of them waits', async () => {
    await exhaust()
    const codes = await codesOf(repeat(80, unknown))
    expect(codes).toEqual([...Array(51).fill('NOT_FOUND'), ...Array(29).fill('too_many_failures')])
    expect(await codesOf(repeat(50, unknown))).toEqual(Array(50).fill('NOT_FOUND'))
  })

  test('never gets a good key refused unseen: 700 junk keys, then 12 a second, on a new instance', async () => {
    const customers = await Promise.all(repeat(20, () => makeKey(services)))
    const junk = repeat(700, () => `198.51.100.${Math.floor(Math.random() * 250)}`)
    await Promise.all(junk.map((clientIp) => codeOf(unknown(), { clientIp }).catch(() => undefined)))
    await services.time.advance(1000)
    const instance = newInstance()
    const verdicts: string[] = []
    for (const { secret } of customers) {
      const attack = Promise.all(repeat(12, () => codeOf(unknown(), {}, instance)))
      verdicts.push(...(await codesOf([secret], {}, instance)))
      expect(await attack).toEqual(Array(12).fill('NOT_FOUND'))
    }
    expect(verdicts).toEqual(Array(20).fill('VALID'))
    expect(instance.failures.areAnySpent()).toBe(true)
  })

  test('may use keys that are known here without a delay: in memory, at any age, or in the replica', async () => {
    const known = await makeKey(services)
    const disk = makeDisk()
    const before = newInstance({ replica: sqliteKeyReplica(() => disk) })
    expect(await codeOf(known.secret, {}, before)).toBe('VALID')
    await before.keyLookup.stop()
    await exhaust()
    for (const instance of [before, newInstance({ replica: sqliteKeyReplica(() => disk) })]) {
      await codesOf(repeat(2, unknown), {}, instance)
      await codesOf(repeat(2, unknown), {}, instance)
      expect(instance.failures.areAnySpent()).toBe(true)
      const waiting = repeat(60, () => codeOf(unknown(), {}, instance))
      expect(await codeOf(known.secret, {}, instance)).toBe('VALID')
      await services.time.advance(1000)
      await Promise.all(waiting)
    }
  })

  test('does not affect other callers', async () => {
    await exhaust()
    const flood = repeat(200, () => codeOf(unknown()))
    expect(await codeOf(unknown(), { callerId: 'other' })).toBe('NOT_FOUND')
    await services.time.advance(1000)
    await Promise.all(flood)
  })

  test('is at full speed again when the failures are a minute old', async () => {
    await exhaust()
    await services.time.advance(70_000)
    expect(await Promise.all(repeat(20, () => codeOf(unknown())))).toEqual(Array(20).fill('NOT_FOUND'))
  })

  test('is named in the log once', async () => {
    await codesOf(repeat(100, unknown))
    expect(logged).toHaveLength(1)
    expect(logged[0]).toContain('fails too often')
  })

  test('gets a batch of any size through in its turn, and no further batch until its debt is paid', async () => {
    const { secret } = await makeKey(services)
    await exhaust()
    const batch = (secrets: readonly string[]) =>
      validateKeys(
        services,
        everyProvider,
        secrets.map((one) => inputOf(one)),
      ).then((found) => found.map(({ code }) => code))
    expect(await batch([secret, ...repeat(99, unknown)])).toEqual(['VALID', ...Array(99).fill('NOT_FOUND')])
    const uses = services.queue.held().length
    await expect(batch([secret, unknown()])).rejects.toMatchObject({ code: 'too_many_failures' })
    expect(services.queue.held()).toHaveLength(uses)
    expect(await batch([secret, secret])).toEqual(['VALID', 'VALID'])
    await services.time.advance(2000)
    expect(await batch([secret, unknown()])).toEqual(['VALID', 'NOT_FOUND'])
  })
})

describe('text that is no key of ours', () => {
  test('costs no failure, is never slowed down, and gets its verdict under an exhausted budget too', async () => {
    expect(await codesOf(repeat(1000, () => 'garbage'))).toEqual(Array(1000).fill('MALFORMED'))
    expect(await codesOf(repeat(100, () => generateSecret('mgmt', randomBytes)))).toEqual(Array(100).fill('NOT_FOUND'))
    expect(services.failures.areAnySpent()).toBe(false)
    await exhaust()
    const flood = repeat(200, () => codeOf(unknown()))
    expect(await codeOf('garbage')).toBe('MALFORMED')
    await services.time.advance(1000)
    await Promise.all(flood)
  })
})

describe('a client address', () => {
  const clientIp = '192.0.2.1'

  test('has a smaller budget of its own under each caller', async () => {
    await codesOf(repeat(8, unknown), { clientIp })
    const codes = await codesOf(repeat(20, unknown), { clientIp })
    expect(codes).toEqual([...Array(11).fill('NOT_FOUND'), ...Array(9).fill('too_many_failures')])
  })

  test('that floods its caller leaves room for the caller’s other clients', async () => {
    const { secret } = await makeKey(services)
    await exhaust({ clientIp })
    const flood = repeat(1000, () => codeOf(unknown(), { clientIp }))
    expect(await codesOf([secret], { clientIp: '192.0.2.2' })).toEqual(['VALID'])
    await Promise.all(flood)
  })
})

test('a failure that cannot be counted does not affect the answer', async () => {
  const limiter = { ...services.limiter, take: () => Promise.reject(new Error('broken')) }
  services = { ...services, failures: failuresOf({ ...services, limiter }) }
  expect(await codeOf(unknown())).toBe('NOT_FOUND')
  await services.time.advance(0)
  expect(logged).toEqual(['A failure could not be counted.'])
})
