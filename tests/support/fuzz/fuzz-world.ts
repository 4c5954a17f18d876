import { keysRevoke } from '../../../functions/keys-revoke.ts'
import { managementScopes } from '../../../shared/contracts/fields.ts'
import { failureLimits } from '../../../shared/operations/limits/failure-limits.ts'
import type { Scheduler } from '../../../shared/ports/runtime.ts'
import { adminKey, type FakeServices, fakeServices } from '../memory/fake-services.ts'
import { call } from '../requests/call.ts'
import { makeKey, makeManager } from '../requests/callers.ts'
import { type SampleWorld, sampleWorld } from '../requests/sample-calls.ts'
import type { PlaceholderValues } from './placeholders.ts'

const MAX_PER_CALLER = 6

/** A small world, with the values of the placeholders of a generated request. */
export interface FuzzWorld extends SampleWorld {
  readonly values: PlaceholderValues
}

export async function fuzzWorld(): Promise<FuzzWorld> {
  const world = await sampleWorld(strictServices())
  const { services, held } = world
  const revoked = await makeKey(services)
  await call(keysRevoke, services, { params: { token_id: revoked.key.keyId }, json: {} })
  const limited = await makeKey(services, {
    ...{ ipRestrictions: ['10.0.0.0/8'], quota: { limit: 2, period: 'day' } },
    rateLimits: [{ name: 'burst', limit: 1, windowSeconds: 60, strategy: 'sliding_window' }],
  })
  const manager = await makeManager(services, 'acme', managementScopes)
  const stranger = await makeManager(services, 'zeta', managementScopes)
  const values = {
    admin: adminKey,
    secret: held.secret,
    revokedSecret: revoked.secret,
    limitedSecret: limited.secret,
    managerSecret: manager.secret,
    strangerSecret: stranger.secret,
    keyId: held.key.keyId,
    revokedKeyId: revoked.key.keyId,
  }
  return { ...world, values }
}

/** Time does not pass in the fuzzer: a slowed lookup begins at once. */
const atOnce: Scheduler = {
  after(_, task) {
    queueMicrotask(task)
    return () => undefined
  },
}

/** Fakes with limits that a short sequence of requests exceeds. */
function strictServices(): FakeServices {
  const services = fakeServices()
  const { limiter, digests, clock, log } = services
  const failures = failureLimits(
    { limiter, hashIp: digests.ofAddress, clock, scheduler: atOnce, log },
    { perCaller: MAX_PER_CALLER, perAddress: 1 },
  )
  return { ...services, failures, managementLimit: { ...services.managementLimit, limit: MAX_PER_CALLER } }
}
