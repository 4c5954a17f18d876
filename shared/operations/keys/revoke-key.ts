import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError, isOutage } from '../../domain/errors.ts'
import type { Key, PendingRevocation, Revocation, RevocationReason } from '../../domain/keys/key.ts'
import type { RevocationCodec, RevocationSpool } from '../../ports/keys.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock } from '../../ports/runtime.ts'
import { type ChangeKeyNeeds, endKey } from './change-key.ts'

export interface RevocationInput {
  readonly keyId: string
  readonly reason: RevocationReason
  readonly text: string | null
  readonly replacedBy: string | null
  readonly by: string
  /** When the revocation was requested; defaults to now. */
  readonly at?: Date
}

export type WriteRevocationNeeds = ChangeKeyNeeds & { readonly clock: Clock }

export interface RevokeKeyNeeds extends WriteRevocationNeeds {
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
  readonly keyEvents: Pick<MessageQueue, 'send'>
  readonly revocationCodec: Pick<RevocationCodec, 'encode'>
}

/** What is known of a key whose revocation is not yet in the store. */
export interface PendingKey {
  readonly keyId: string
  /** null for an operator's revocation of a key that is not cached here. */
  readonly providerId: string | null
  readonly revocation: Revocation
  readonly replacedBy: string | null
}

/** `pending`: in the queue, in force here where the key is cached, and everywhere once the store is back. */
export type RevokeOutcome =
  | { readonly kind: 'revoked'; readonly key: Key }
  | { readonly kind: 'pending'; readonly key: PendingKey }

type DatedInput = RevocationInput & { readonly at: Date }

/**
 * Revokes a key, even during an outage of the store: a cached key is revoked on this instance at once, and the
 * revocation is in the queue `key-events` before this resolves. A key that is not cached here may be missing or
 * another provider's; the consumer finds out. Throws `key_not_found`. When neither store nor queue answers, throws
 * `revocation_not_durable` for a cached key, which is revoked here and spooled on the disk, else `store_unavailable`.
 * A refusal of our own (`overloaded`) is no outage: it is thrown.
 */
export async function revokeKey(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  request: RevocationInput,
): Promise<RevokeOutcome> {
  const input = { ...request, at: request.at ?? needs.clock.now() }
  try {
    return { kind: 'revoked', key: await writeRevocation(needs, scope, input) }
  } catch (error) {
    if (!isOutage(error)) throw error
    return { kind: 'pending', key: await postpone(needs, scope, input, error) }
  }
}

/** Revokes a key for good. Idempotent: the first reason stands. Throws `key_not_found`. */
export async function writeRevocation(
  needs: WriteRevocationNeeds,
  scope: ProviderScope,
  { keyId, reason, text, replacedBy, by, at = needs.clock.now() }: RevocationInput,
): Promise<Key> {
  return endKey(needs, scope, keyId, (key) => {
    if (key.revocation !== null) return key
    return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
  })
}

/** Revokes the key on this instance if it is cached here and within the scope. Returns it as revoked. */
export function revokeIfCached(
  { keyLookup }: Pick<WriteRevocationNeeds, 'keyLookup'>,
  scope: ProviderScope,
  input: DatedInput,
): (Key & { readonly revocation: Revocation }) | undefined {
  const cached = keyLookup.recall(input.keyId)
  if (cached === undefined || !covers(scope, cached.providerId)) return undefined
  const key = asRevoked(cached, input)
  keyLookup.revokeHere(key)
  return key
}

async function postpone(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  input: DatedInput,
  outage: unknown,
): Promise<PendingKey> {
  const key = revokeIfCached(needs, scope, input)
  if (key !== undefined) spool(needs, key)
  try {
    await needs.keyEvents.send(needs.revocationCodec.encode(toPending(scope, input)))
  } catch (cause) {
    throw key === undefined ? outage : notDurable(cause)
  }
  return key ?? unknownKey(scope, input)
}

/** The copy on the disk is replayed sooner than the message; without a disk the message alone does it. */
function spool({ pendingRevocations }: RevokeKeyNeeds, key: Key): void {
  try {
    pendingRevocations.put(key)
  } catch {
    // The queue decides whether the revocation is durable.
  }
}

function notDurable(cause: unknown): AppError {
  return new AppError(
    'revocation_not_durable',
    'The key is refused by this instance only, and other instances still accept it. Try again until the answer is 200 or 202.',
    { cause, retryAfterSeconds: 1 },
  )
}

function toPending(scope: ProviderScope, { keyId, reason, text, replacedBy, by, at }: DatedInput): PendingRevocation {
  const providerId = scope.kind === 'every' ? '*' : scope.providerId
  return { keyId, providerId, reason, text, replacedBy, by, at, tries: 0 }
}

function unknownKey(scope: ProviderScope, { keyId, reason, text, replacedBy, by, at }: DatedInput): PendingKey {
  const providerId = scope.kind === 'every' ? null : scope.providerId
  return { keyId, providerId, revocation: { at, by, reason, text }, replacedBy }
}

function asRevoked(key: Key, { at, by, reason, text, replacedBy }: DatedInput) {
  if (key.revocation !== null) return { ...key, revocation: key.revocation }
  return { ...key, revocation: { at, by, reason, text }, replacedBy: replacedBy ?? key.replacedBy, updatedAt: at }
}
