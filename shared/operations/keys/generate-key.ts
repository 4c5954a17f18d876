import { faultOfRule } from '../../domain/access/ip-rule.ts'
import { oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError, type FieldError } from '../../domain/errors.ts'
import type { Environment, Key, KeyKind, KeyPolicy } from '../../domain/keys/key.ts'
import { generateSecret, keyHint } from '../../domain/keys/key-format.ts'
import type { LimitLineage } from '../../domain/keys/limit-lineage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Clock, Random } from '../../ports/runtime.ts'
import type { KeyDigests } from '../key-digests.ts'
import type { KeyQuotas } from './key-quotas.ts'

export interface GenerateKeyInput extends KeyPolicy {
  /** A ULID. Idempotent: a second call with the same id makes no second key. */
  readonly keyId: string
  readonly kind: KeyKind
  readonly providerId: string
  readonly environment: Environment | null
  readonly enabled: boolean
  readonly createdBy: string
  readonly rotatedFrom: string | null
  /** Of a rotation: how the limits go on being counted. */
  readonly lineage?: LimitLineage
}

export interface NewKeyNeeds {
  readonly keys: KeyStore
  readonly digests: KeyDigests
  readonly clock: Clock
  readonly random: Random
  readonly keyQuotas: KeyQuotas
}

/** The secret is returned once: null when an earlier call with the same id made the key. */
export interface NewKey {
  readonly key: Key
  readonly secret: string | null
}

/**
 * Makes a key. Returns the secret, and stores only its digest. Throws `key_quota_exceeded` and `rate_limited` when the
 * provider's quotas allow no more keys. A rotation's new key takes over the place of the old key.
 */
export async function generateKey(needs: NewKeyNeeds, input: GenerateKeyInput): Promise<NewKey> {
  const { kind, providerId, keyId, rotatedFrom } = input
  const now = needs.clock.now()
  refuseFaults([...faultsOfRules(input.ipRestrictions), ...faultsOfTimes(input, now)])
  const purpose = rotatedFrom === null ? 'generate' : 'rotate'
  return needs.keyQuotas.admit(
    { kind, providerId, keyId, purpose },
    () => makeKey(needs, input, now),
    ({ secret }) => secret !== null,
  )
}

async function makeKey(needs: NewKeyNeeds, input: GenerateKeyInput, now: Date): Promise<NewKey> {
  const secret = generateSecret(input.environment ?? 'mgmt', (size) => needs.random.bytes(size))
  const key: Key = {
    ...input,
    lineage: input.lineage ?? null,
    ...needs.digests.make(secret),
    hint: keyHint(secret),
    createdAt: now,
    updatedAt: now,
    revocation: null,
    replacedBy: null,
    graceUntil: null,
  }
  if ((await needs.keys.create(key)) === 'created') return { key, secret }
  const earlier = await needs.keys.findById(oneProvider(input.providerId), input.keyId)
  if (earlier === undefined) throw new AppError('conflict', 'The key could not be made. Try again.')
  return { key: earlier.value, secret: null }
}

/** Returns one error per invalid address rule; `pointer` names its place in the body. */
export function faultsOfRules(rules: readonly string[]): FieldError[] {
  return rules.flatMap((rule, index) => {
    const detail = faultOfRule(rule)
    return detail === undefined ? [] : [{ pointer: `#/ip_restrictions/${index}`, detail }]
  })
}

/** Returns the errors in the times of a new or changed key. */
export function faultsOfTimes({ notBefore, expiresAt }: Pick<KeyPolicy, 'notBefore' | 'expiresAt'>, now: Date) {
  const faults: FieldError[] = []
  if (expiresAt !== null && expiresAt <= now) faults.push({ pointer: '#/expires_at', detail: 'must be in the future' })
  if (expiresAt !== null && notBefore !== null && expiresAt <= notBefore) {
    faults.push({ pointer: '#/expires_at', detail: 'must be later than not_before' })
  }
  return faults
}

/** Throws `invalid_request` with all the errors, if there are any. */
export function refuseFaults(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw new AppError('invalid_request', 'The request does not match the contract.', { errors })
}
