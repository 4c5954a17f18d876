import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { ulid } from 'ulid'
import type { Key } from '../../../shared/domain/keys/key.ts'

/** A unique key; `change` sets the fields that matter to the test. */
export function sampleKey(change: Partial<Key> = {}): Key {
  const createdAt = new Date('2026-11-22T16:00:00.123Z')
  return {
    keyId: ulid(),
    digest: sampleDigest(),
    pepperVersion: 'p1',
    hint: 'x7Qa',
    providerId: sampleProviderId(),
    kind: 'api',
    environment: 'live',
    name: 'Mobile app',
    description: null,
    ownerId: 'customer-42',
    scopes: ['orders:read'],
    ipRestrictions: [],
    notBefore: null,
    expiresAt: null,
    rateLimits: [],
    quota: null,
    metadata: null,
    enabled: true,
    createdAt,
    createdBy: 'admin',
    updatedAt: createdAt,
    revocation: null,
    rotatedFrom: null,
    replacedBy: null,
    graceUntil: null,
    lineage: null,
    ...change,
  }
}

export function sampleDigest(): string {
  return createHash('sha256').update(randomUUID()).digest('hex')
}

export function sampleProviderId(): string {
  return `p-${randomUUID()}`
}

const instant = fc.date({ min: new Date('2000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const text = (maxLength: number) => fc.string({ unit: 'grapheme', minLength: 1, maxLength })

/** Any key that the contracts accept, and many that they refuse; each with a unique id and digest. */
export const anyKey: fc.Arbitrary<Key> = fc
  .record({
    name: text(128),
    description: maybe(fc.string({ unit: 'grapheme', maxLength: 1024 })),
    ownerId: maybe(text(255)),
    environment: maybe(fc.constantFrom('test', 'live')),
    kind: fc.constantFrom('api', 'management'),
    scopes: fc.array(text(128), { maxLength: 50 }),
    ipRestrictions: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 100 }),
    notBefore: maybe(instant),
    expiresAt: maybe(instant),
    graceUntil: maybe(instant),
    updatedAt: instant,
    enabled: fc.boolean(),
    quota: maybe(fc.record({ limit: fc.nat(), period: fc.constantFrom('day', 'month') })),
    metadata: maybe(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' }))),
    rateLimits: fc.array(
      fc.record({
        name: text(63),
        limit: fc.nat(),
        windowSeconds: fc.nat(),
        strategy: fc.constantFrom('sliding_window', 'fixed_window'),
      }),
      { maxLength: 10 },
    ),
    revocation: maybe(
      fc.record({
        at: instant,
        by: text(64),
        reason: fc.constantFrom('compromised', 'superseded', 'rotated'),
        text: maybe(text(500)),
      }),
    ),
    rotatedFrom: maybe(fc.constant('01KAAAAAAAAAAAAAAAAAAAAAAA')),
    lineage: maybe(
      fc.record({
        keyId: maybe(fc.constant('01KAAAAAAAAAAAAAAAAAAAAAAA')),
        version: fc.nat(),
        records: fc.dictionary(fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/), fc.stringMatching(/^[a-z0-9~]{1,20}$/)),
      }),
    ),
    replacedBy: maybe(fc.constant('01KBBBBBBBBBBBBBBBBBBBBBBB')),
  })
  // As it comes from a request: plain objects, and a JSON text has no -0.
  .map((change) => sampleKey({ ...structuredClone(change), metadata: JSON.parse(JSON.stringify(change.metadata)) }))

/** A key with every field as large as the contracts allow, in characters that take four bytes where they may. */
export function largestKey(): Key {
  return sampleKey({
    name: '🗝'.repeat(64),
    description: '🗝'.repeat(512),
    ownerId: '雪'.repeat(255),
    scopes: Array.from({ length: 50 }, (_, index) => `${index}`.padEnd(128, 's')),
    ipRestrictions: Array.from({ length: 100 }, (_, index) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${1000 + index}/128`),
    metadata: { note: '雪'.repeat(1360) },
    rateLimits: Array.from({ length: 10 }, (_, index) => ({
      name: `${index}`.padEnd(63, 'l'),
      limit: 1_000_000_000,
      windowSeconds: 86_400,
      strategy: 'sliding_window' as const,
    })),
    revocation: {
      at: new Date('2026-12-01T00:00:00.001Z'),
      by: 'admin',
      reason: 'owner_request',
      text: '雪'.repeat(500),
    },
  })
}
