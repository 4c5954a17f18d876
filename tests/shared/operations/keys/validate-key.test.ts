import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider, type ProviderScope } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { generateSecret } from '../../../../shared/domain/keys/key-format.ts'
import type { UsageEvent } from '../../../../shared/domain/usage/usage.ts'
import type { KeyDigests } from '../../../../shared/operations/key-digests.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type ValidateKeyInput, validateKey } from '../../../../shared/operations/keys/validate-key.ts'
import type { RecordedUse } from '../../../../shared/ports/usage.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey, makeManager } from '../../../support/requests/callers.ts'
import { keyLookupElsewhere } from '../../../support/worlds/key-lookup-elsewhere.ts'

const requirements = { environment: null, scopes: [], anyScopes: [], clientIp: null, dryRun: false }
const asked = { callerId: 'admin', requirements, endpoint: 'GET /orders', cost: 1, bypassCache: false }

function underTest() {
  const services = fakeServices()
  const counts = { reads: 0, digests: 0 }
  const recorded: UsageEvent[] = []
  const recordedAs: { value: RecordedUse } = { value: 'recorded' }
  const digests: KeyDigests = {
    ...services.digests,
    cacheIndex: (secret) => {
      counts.digests++
      return services.digests.cacheIndex(secret)
    },
    candidates: (secret) => {
      counts.digests++
      return services.digests.candidates(secret)
    },
  }
  const keys = {
    ...services.keys,
    findByDigest: (...asked: Parameters<typeof services.keys.findByDigest>) => {
      counts.reads++
      return services.keys.findByDigest(...asked)
    },
  }
  const needs = {
    clock: services.clock,
    limiter: services.limiter,
    failures: services.failures,
    bypasses: services.bypasses,
    keyLookup: keyLookupElsewhere(services, { keys, digests }),
    usage: {
      record: async (event: UsageEvent) => {
        recorded.push(event)
        return recordedAs.value
      },
    },
  }
  const validate = (secret: string, change: Partial<ValidateKeyInput> = {}, scope: ProviderScope = everyProvider) =>
    validateKey(needs, scope, { ...asked, secret, ...change })
  return { services, needs, counts, recorded, recordedAs, validate }
}

describe('garbage', () => {
  test('100,000 malformed keys cost no lookup, no digest and no count', async () => {
    const { services, counts, recorded, validate } = underTest()
    const { secret } = await makeKey(services)
    for (let index = 0; index < 100_000; index++) {
      // A key with one wrong character in its checksum, and noise, in turns.
      const garbage = index % 2 === 0 ? `${secret.slice(0, -1)}!` : `permas_live_${String(index).padStart(44, 'x')}`
      expect((await validate(garbage)).code).toBe('MALFORMED')
    }
    expect(counts).toEqual({ reads: 0, digests: 0 })
    expect(recorded).toEqual([])
  })
})

describe('a use that only the local disk has, because the queue did not answer', () => {
  test('marks its verdict as degraded', async () => {
    const { services, recordedAs, validate } = underTest()
    const { secret } = await makeKey(services)
    expect(await validate(secret)).toMatchObject({ code: 'VALID', degraded: false })
    recordedAs.value = 'degraded'
    expect(await validate(secret)).toMatchObject({ code: 'VALID', degraded: true })
  })
})

describe('a key that is not judged', () => {
  test('is NOT_FOUND when it is unknown, and is not counted', async () => {
    const { recorded, validate } = underTest()
    expect(await validate(generateSecret('live', randomBytes))).toEqual({ code: 'NOT_FOUND' })
    expect(recorded).toEqual([])
  })

  test('is NOT_FOUND to another provider, with the same answer as an unknown key', async () => {
    const { services, recorded, validate } = underTest()
    const { secret } = await makeKey(services, { providerId: 'acme' })
    expect((await validate(secret, {}, oneProvider('acme'))).code).toBe('VALID')
    expect(await validate(secret, {}, oneProvider('zeta'))).toEqual({ code: 'NOT_FOUND' })
    expect(recorded).toHaveLength(1)
  })

  test('is NOT_FOUND when it is a management key: these are for this API only', async () => {
    const { services, counts, validate } = underTest()
    const { secret } = await makeManager(services, 'acme', ['keys:read'])
    expect(await validate(secret)).toEqual({ code: 'NOT_FOUND' })
    expect(counts).toEqual({ reads: 0, digests: 0 })
  })
})

describe('a use', () => {
  test('is counted for every verdict, with its details and its time', async () => {
    const { services, recorded, validate } = underTest()
    const { key, secret } = await makeKey(services, { ownerId: 'ann', environment: 'test' })
    await validate(secret, { requirements: { ...requirements, clientIp: '192.0.2.1' } })
    await validate(secret, { requirements: { ...requirements, environment: 'live' } })
    const use = { providerId: 'acme', keyId: key.keyId, ownerId: 'ann', environment: 'test', count: 1 }
    const rest = { endpoint: 'GET /orders', at: services.clock.now() }
    expect(recorded).toEqual([
      { ...use, ...rest, outcome: 'VALID', statusClass: '2xx', clientIp: '192.0.2.1' },
      { ...use, ...rest, outcome: 'ENVIRONMENT_MISMATCH', statusClass: '4xx', clientIp: null },
    ])
  })

  test('that is a dry run or has a cost of 0 is not counted', async () => {
    const { services, recorded, validate } = underTest()
    const { secret } = await makeKey(services)
    expect((await validate(secret, { cost: 0 })).code).toBe('VALID')
    expect((await validate(secret, { requirements: { ...requirements, dryRun: true } })).code).toBe('VALID')
    expect(recorded).toEqual([])
  })

  test('that cannot be made durable gets no verdict', async () => {
    const { services, needs } = underTest()
    const { secret } = await makeKey(services)
    const record = async () => {
      throw new AppError('usage_unavailable', 'Not in time.')
    }
    const input = { ...asked, secret }
    await expect(validateKey({ ...needs, usage: { record } }, everyProvider, input)).rejects.toMatchObject({
      code: 'usage_unavailable',
    })
  })
})

describe('when the store is down', () => {
  const down = async () => {
    throw new AppError('store_unavailable', 'The tables do not answer.')
  }

  test('a key that is not cached gets no verdict, and a cached key gets one', async () => {
    const { services, validate } = underTest()
    const known = await makeKey(services)
    const unknown = await makeKey(services)
    await validate(known.secret)
    services.keys.findByDigest = down
    await expect(validate(unknown.secret)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect((await validate(known.secret)).code).toBe('VALID')
    await expect(validate(known.secret, { bypassCache: true })).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

test('a verdict has the age of the oldest entry that it is based on', async () => {
  const { services, validate } = underTest()
  const first = await makeKey(services)
  const second = await makeKey(services)
  await validate(first.secret)
  await services.time.advance(2000)
  // The provider was cached 2 s ago, the second key just now.
  expect(await validate(second.secret)).toMatchObject({ cacheAgeMs: 2000 })
  expect(await validate(first.secret, { bypassCache: true })).toMatchObject({ cacheAgeMs: 0 })
})

describe('a key that is revoked while its verdict waits', () => {
  /** Runs `meanwhile` once, while the verdict waits for the limiter or for the queue. */
  function waitingFor(what: 'limiter' | 'queue', meanwhile: (world: ReturnType<typeof underTest>) => Promise<unknown>) {
    const world = underTest()
    const { needs, recorded } = world
    const limiter = {
      ...needs.limiter,
      take: async (...asked: Parameters<typeof needs.limiter.take>) => {
        const taking = await needs.limiter.take(...asked)
        await meanwhile(world)
        return taking
      },
    }
    const record = async (event: UsageEvent) => {
      recorded.push(event)
      await meanwhile(world)
      return 'recorded' as const
    }
    return { ...world, needs: { ...needs, ...(what === 'limiter' ? { limiter } : { usage: { record } }) } }
  }

  const rateLimits = [{ name: 'burst', limit: 10, windowSeconds: 60, strategy: 'sliding_window' }] as const
  const revocation = { at: new Date(0), by: 'admin', reason: 'compromised', text: null } as const

  test.each(['limiter', 'queue'] as const)('gets REVOKED after the wait for the %s', async (what) => {
    const { services, needs, recorded } = waitingFor(what, async (world) =>
      world.needs.keyLookup.revokeHere({ ...key, revocation }),
    )
    const { key, secret } = await makeKey(services, { rateLimits })
    const { code, ...rest } = await validateKey(needs, everyProvider, { ...asked, secret })
    expect([code, 'key' in rest && rest.key.revocation]).toEqual(['REVOKED', revocation])
    // The queue already had the use: it stays counted as it was judged first.
    expect(recorded.map(({ outcome }) => outcome)).toEqual([what === 'limiter' ? 'REVOKED' : 'VALID'])
  })

  test.each(['limiter', 'queue'] as const)(
    'gets REVOKED after a wait for the %s in which the process was stopped: the feed is polled again',
    async (what) => {
      const { services, needs } = waitingFor(what, async (world) => {
        const { keyId } = key
        const input = { keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' } as const
        const elsewhere = { ...world.services, keyLookup: keyLookupElsewhere(world.services) }
        if ((await world.services.keys.findById(everyProvider, keyId))?.value.revocation === null) {
          await writeRevocation(elsewhere, everyProvider, input)
          // No timer of this instance runs meanwhile.
          world.services.time.jump(15_000)
        }
      })
      const { key, secret } = await makeKey(services, { rateLimits })
      await validateKey({ ...services, usage: { record: async () => 'recorded' as const } }, everyProvider, {
        ...asked,
        secret,
      })
      expect((await validateKey(needs, everyProvider, { ...asked, secret })).code).toBe('REVOKED')
    },
  )
})
