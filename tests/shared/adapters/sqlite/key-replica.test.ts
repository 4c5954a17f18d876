import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sqliteKeyReplica } from '../../../../shared/adapters/sqlite/key-replica.ts'
import type { Provider } from '../../../../shared/domain/keys/provider.ts'
import type { KeyReplica, ReplicaStep } from '../../../../shared/ports/key-cache.ts'
import { anyKey, sampleDigest, sampleKey } from '../../../support/samples/sample-keys.ts'

const nothing: ReplicaStep = {
  ...{ forget: false, revoked: [], removedKeys: [], erasedKeys: [], removedProviders: [], keys: [], providers: [] },
  watermarkMs: undefined,
}
const provider: Provider = {
  ...{
    providerId: 'acme',
    name: '🏢',
    status: 'disabled',
    failMode: 'closed',
    rateLimits: [],
    updatedBy: 'admin',
    lineage: null,
  },
  quotas: { requestsPerDay: 1, requestsPerMonth: null, maxKeys: 0, keysPerHour: null },
  ...{ createdAt: new Date('2026-11-22T16:00:00.123Z'), updatedAt: new Date('2026-11-22T16:00:00.456Z') },
}
const revocation = { at: new Date('2026-11-22T16:00:00.123Z'), by: 'admin', reason: 'policy', text: null } as const

function replicaOn(disk = new DatabaseSync(':memory:'), keysMax?: number): KeyReplica {
  return sqliteKeyReplica(() => disk, keysMax)
}

test('any key is found exactly as it was saved, by digest and by id, with the time of its read', () => {
  const replica = replicaOn()
  fc.assert(
    fc.property(anyKey, fc.nat(), (key, readAtMs) => {
      replica.save({ ...nothing, keys: [{ value: key, readAtMs }] })
      expect(replica.findByDigest(key.digest)).toEqual({ value: key, readAtMs })
      expect(replica.findByKeyId(key.keyId)).toEqual({ value: key, readAtMs })
    }),
  )
})

test('a provider is found as it was saved, and so is the absence of one', () => {
  const replica = replicaOn()
  const none = { providerId: 'none', provider: null }
  replica.save({
    ...nothing,
    providers: [
      { value: { providerId: 'acme', provider }, readAtMs: 1 },
      { value: none, readAtMs: 2 },
    ],
  })
  expect(replica.findProvider('acme')).toEqual({ value: provider, readAtMs: 1 })
  expect(replica.findProvider('none')).toEqual({ value: null, readAtMs: 2 })
  expect(replica.findProvider('other')).toBeUndefined()
})

test('removed and forgotten keys are gone, and a revocation stays through all of it', () => {
  const replica = replicaOn()
  const [one, two] = [sampleKey(), sampleKey()]
  const keys = [one, two].map((value) => ({ value, readAtMs: 1 }))
  replica.save({ ...nothing, keys, revoked: [{ digest: one.digest, revocation }], watermarkMs: 5 })
  replica.save({ ...nothing, removedKeys: [one.digest], watermarkMs: 6 })
  expect(replica.findByDigest(one.digest)).toBeUndefined()
  expect(replica.findByDigest(two.digest)?.value).toEqual(two)
  replica.save({ ...nothing, forget: true })
  expect(replica.countKeys()).toBe(0)
  expect(replica.findRevocation(one.digest)).toEqual(revocation)
  expect(replica.watermarkMs()).toBe(6)
})

test('holds a bounded number of keys and evicts the least recently saved', () => {
  const replica = replicaOn(undefined, 3)
  const keys = Array.from({ length: 5 }, (_, readAtMs) => ({ value: sampleKey(), readAtMs }))
  const [first, ...rest] = keys
  if (first === undefined) throw new Error('five keys')
  replica.save({ ...nothing, keys: [first, ...rest, first] })
  expect(keys.map(({ value }) => replica.findByDigest(value.digest) !== undefined)).toEqual([
    ...[true, false, false, true, true],
  ])
})

test('a rehashed key is found by its alias too: by its current one, and while it is there', () => {
  const replica = replicaOn()
  const key = { ...sampleKey(), alias: sampleDigest() }
  const later = { ...key, alias: sampleDigest() }
  replica.save({ ...nothing, keys: [{ value: key, readAtMs: 1 }] })
  expect(replica.findByDigest(key.alias)?.value).toEqual(key)
  replica.save({ ...nothing, keys: [{ value: later, readAtMs: 2 }] })
  expect(replica.findByDigest(key.alias)).toBeUndefined()
  expect(replica.findByDigest(later.alias)?.value).toEqual(later)
  expect(replica.findByDigest(key.digest)?.value).toEqual(later)
  replica.save({ ...nothing, removedKeys: [key.digest] })
  expect(replica.findByDigest(later.alias)).toBeUndefined()
})

test('a step is all or nothing', () => {
  const disk = new DatabaseSync(':memory:')
  const replica = replicaOn(disk)
  const good = sampleKey()
  const bad = { ...sampleKey(), createdAt: new Date(Number.NaN) }
  const keys = [good, bad].map((value) => ({ value, readAtMs: 1 }))
  expect(() => replica.save({ ...nothing, keys, watermarkMs: 7 })).toThrow()
  expect(replica.countKeys()).toBe(0)
  expect(replica.watermarkMs()).toBeUndefined()
})

test('a row that cannot be decoded counts as missing', () => {
  const disk = new DatabaseSync(':memory:')
  const replica = replicaOn(disk)
  const key = sampleKey()
  replica.save({ ...nothing, keys: [{ value: key, readAtMs: 1 }] })
  disk.exec(`UPDATE replica_keys SET key = '{"of":"another version"}'`)
  expect(replica.findByDigest(key.digest)).toBeUndefined()
})

test('without a file it is empty, and accepts every step', () => {
  const replica = sqliteKeyReplica(() => undefined)
  replica.save({ ...nothing, keys: [{ value: sampleKey(), readAtMs: 1 }] })
  expect(replica.countKeys()).toBe(0)
  expect(replica.watermarkMs()).toBeUndefined()
})
