import { keysRevoke } from '../../../functions/keys-revoke.ts'
import { managementScopes } from '../../../shared/contracts/fields.ts'
import { call } from '../call.ts'
import { makeKey, makeManager } from '../callers.ts'
import { adminKey } from '../fake-services.ts'
import { type SampleWorld, sampleWorld } from '../sample-calls.ts'
import type { Cast } from './stand-ins.ts'

/** A small world, and what the stand-ins of a drawn request stand for in it. */
export interface FuzzWorld extends SampleWorld {
  readonly cast: Cast
}

export async function fuzzWorld(): Promise<FuzzWorld> {
  const world = await sampleWorld()
  const { services, held } = world
  const revoked = await makeKey(services)
  await call(keysRevoke, services, { params: { token_id: revoked.key.keyId }, json: {} })
  const manager = await makeManager(services, 'acme', managementScopes)
  const stranger = await makeManager(services, 'zeta', managementScopes)
  const cast = {
    admin: adminKey,
    secret: held.secret,
    revokedSecret: revoked.secret,
    managerSecret: manager.secret,
    strangerSecret: stranger.secret,
    keyId: held.key.keyId,
    revokedKeyId: revoked.key.keyId,
  }
  return { ...world, cast }
}
