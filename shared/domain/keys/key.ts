import type { LimitLineage } from './limit-lineage.ts'

export type Environment = 'test' | 'live'
export type KeyKind = 'api' | 'management'
export type KeyStatus = 'active' | 'disabled' | 'not_yet_valid' | 'expired' | 'revoked' | 'in_grace'
export type RevocationReason = 'unspecified' | 'compromised' | 'superseded' | 'owner_request' | 'policy' | 'rotated'

export interface RateLimit {
  readonly name: string
  readonly limit: number
  readonly windowSeconds: number
  readonly strategy: 'sliding_window' | 'fixed_window'
}

export interface Quota {
  readonly limit: number
  readonly period: 'day' | 'month'
}

export interface Revocation {
  readonly at: Date
  readonly by: string
  readonly reason: RevocationReason
  readonly text: string | null
}

/** A revocation that waits for the store, as it travels through the queue `key-events`. */
export interface PendingRevocation extends Revocation {
  readonly keyId: string
  /** The provider that the caller speaks for, `*` for all: the key must be within it when it is revoked. */
  readonly providerId: string
  readonly replacedBy: string | null
  /** How often it was tried while the store did not answer. */
  readonly tries: number
}

/** What the holder of a key may do, and until when: the part of a key that a rotation copies. */
export interface KeyPolicy {
  readonly name: string
  readonly description: string | null
  readonly ownerId: string | null
  readonly scopes: readonly string[]
  /** IPv4 or IPv6 addresses and CIDR blocks; empty means any address. */
  readonly ipRestrictions: readonly string[]
  readonly notBefore: Date | null
  readonly expiresAt: Date | null
  readonly rateLimits: readonly RateLimit[]
  readonly quota: Quota | null
  readonly metadata: Readonly<Record<string, unknown>> | null
}

/** A key as it is stored: its policy, its state, and a digest from which the secret cannot be recovered. */
export interface Key extends KeyPolicy {
  readonly keyId: string
  /** HMAC-SHA-256 of the secret under the pepper of its creation, 64 hex digits. Never changes. */
  readonly digest: string
  /** The HMAC under `pepperVersion`, once the key was rehashed under a newer pepper: the key is found by both. */
  readonly alias?: string | undefined
  /** The newest pepper under which the key is found. */
  readonly pepperVersion: string
  /** The last 4 characters of the secret's random part. */
  readonly hint: string
  /** `*` only for a management key over all providers. */
  readonly providerId: string
  readonly kind: KeyKind
  /** null for a management key. */
  readonly environment: Environment | null
  readonly enabled: boolean
  readonly createdAt: Date
  readonly createdBy: string
  readonly updatedAt: Date
  readonly revocation: Revocation | null
  readonly rotatedFrom: string | null
  readonly replacedBy: string | null
  /** Null for a key that was neither rotated nor edited in its limits. */
  readonly lineage: LimitLineage | null
  readonly graceUntil: Date | null
  /** When the texts about a person were erased. Only a revoked key is ever erased. */
  readonly erasedAt?: Date | undefined
}

/**
 * The status of a key at one instant. Revoked takes precedence over expired. A key expires exactly at `expiresAt`, and
 * a rotated key exactly at `graceUntil`.
 */
export function keyStatus(key: Key, now: Date): KeyStatus {
  if (key.revocation !== null) return 'revoked'
  if (endsAt(key) <= now.getTime()) return 'expired'
  if (key.notBefore !== null && now < key.notBefore) return 'not_yet_valid'
  if (!key.enabled) return 'disabled'
  return key.graceUntil === null ? 'active' : 'in_grace'
}

/** The instant, in ms since the epoch, from which the key is expired; Infinity for a key that never expires. */
export function endsAt(key: Pick<Key, 'expiresAt' | 'graceUntil'>): number {
  return Math.min(key.expiresAt?.getTime() ?? Infinity, key.graceUntil?.getTime() ?? Infinity)
}
