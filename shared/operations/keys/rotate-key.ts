import type { ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError, isOutcomeOpen } from '../../domain/errors.ts'
import { endsAt, type Key, keyStatus } from '../../domain/keys/key.ts'
import { inheritedLineage } from '../../domain/keys/limit-lineage.ts'
import { type ChangeKeyNeeds, changeKey, endKey, keyNotFound } from './change-key.ts'
import { generateKey, type NewKey, type NewKeyNeeds } from './generate-key.ts'

export interface RotateKeyInput {
  readonly keyId: string
  /** Id of the new key. Idempotent: a second call with the same id makes no second key. */
  readonly newKeyId: string
  /** How long the old key stays valid, at most until its own expiry; 0 revokes it at once. */
  readonly gracePeriodSeconds: number
  /** The new key's expiry; undefined copies the old key's expiry. */
  readonly expiresAt: Date | null | undefined
  readonly by: string
}

/**
 * Makes a new key with the policy of an old key, which stays valid for the grace period. The new key is written first:
 * a crash in between leaves a key whose secret was never returned, and never an ended key without a successor.
 *
 * `authorize` gets the old key and the successor's life, and throws when the caller may not make it. Throws
 * `key_not_found`, `key_revoked` (expired counts too), `key_already_rotated`.
 */
export async function rotateKey(
  needs: NewKeyNeeds & ChangeKeyNeeds,
  scope: ProviderScope,
  input: RotateKeyInput,
  authorize: (old: Key, successor: Pick<Key, 'expiresAt' | 'graceUntil'>) => void,
): Promise<NewKey> {
  const found = await needs.keys.findById(scope, input.keyId)
  if (found === undefined) throw keyNotFound()
  const expiresAt = input.expiresAt === undefined ? found.value.expiresAt : input.expiresAt
  authorize(found.value, { expiresAt, graceUntil: null })
  refuseEnded(found.value, input, needs.clock.now())
  const rotated = await generateKey(needs, {
    ...policyOf(found.value),
    expiresAt,
    keyId: input.newKeyId,
    createdBy: input.by,
    rotatedFrom: input.keyId,
    lineage: inheritedLineage(found.value),
  })
  const change = input.gracePeriodSeconds === 0 ? endKey : changeKey
  try {
    await change(needs, scope, input.keyId, (key) => {
      refuseEnded(key, input, needs.clock.now())
      return key.replacedBy === input.newKeyId ? key : withSuccessor(key, input, needs.clock.now())
    })
  } catch (error) {
    await revokeSuperseded(needs, scope, rotated.key, error)
    throw error
  }
  return rotated
}

function policyOf(key: Key) {
  const { name, description, ownerId, scopes, ipRestrictions, notBefore, rateLimits, quota, metadata } = key
  const { kind, providerId, environment, enabled } = key
  return {
    ...{ name, description, ownerId, scopes, ipRestrictions, notBefore, rateLimits, quota, metadata },
    ...{ kind, providerId, environment, enabled },
  }
}

function refuseEnded(key: Key, { newKeyId }: RotateKeyInput, now: Date): void {
  if (key.replacedBy === newKeyId) return
  if (key.replacedBy !== null)
    throw new AppError('key_already_rotated', 'The key has a successor already: rotate that.')
  const status = keyStatus(key, now)
  if (status === 'revoked' || status === 'expired') {
    throw new AppError('key_revoked', `The key is ${status} and cannot be rotated. Generate a new one.`)
  }
}

function withSuccessor(key: Key, { newKeyId, gracePeriodSeconds, by }: RotateKeyInput, now: Date): Key {
  const replaced = { ...key, replacedBy: newKeyId, updatedAt: now }
  if (gracePeriodSeconds === 0) return { ...replaced, revocation: { at: now, by, reason: 'rotated', text: null } }
  return { ...replaced, graceUntil: new Date(Math.min(now.getTime() + gracePeriodSeconds * 1000, endsAt(key))) }
}

/** Revokes the new key when the old key was revoked or rotated in the meantime. Its secret was never returned. */
async function revokeSuperseded(needs: ChangeKeyNeeds & NewKeyNeeds, scope: ProviderScope, key: Key, cause: unknown) {
  // After such an error the old key's state is unknown, and a retry finishes the rotation.
  if (!(cause instanceof AppError) || isOutcomeOpen(cause)) return
  await endKey(needs, scope, key.keyId, (current) => {
    const at = needs.clock.now()
    return { ...current, revocation: { at, by: 'system', reason: 'superseded', text: null }, updatedAt: at }
  })
}
