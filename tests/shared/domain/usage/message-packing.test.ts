import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUsageMessage, measureUsageDelta } from '../../../../shared/contracts/usage-message.ts'
import {
  KEYS_PER_PARTITION_MAX,
  MESSAGE_BYTES_MAX,
  packDeltas,
} from '../../../../shared/domain/usage/message-packing.ts'
import { splitByPartition } from '../../../../shared/domain/usage/partition.ts'
import type { UsageDelta } from '../../../../shared/domain/usage/usage.ts'
import { usageDeltas } from '../../../support/samples/usage-arbitraries.ts'

const keyIds = Array.from({ length: 3000 }, (_, index) => `01K0000000000000000000${String(index).padStart(4, '0')}`)
const many = fc.array(usageDeltas({ keyIds, endpoints: fc.string({ unit: 'binary', maxLength: 255 }) }), {
  minLength: 100,
  maxLength: 1500,
})

function encoded(deltas: readonly UsageDelta[]): string {
  const push = { providerId: 'p'.repeat(63), batchId: 'é'.repeat(128), part: Number.MAX_SAFE_INTEGER }
  const at = '2026-11-22T10:00:00.000Z'
  return encodeUsageMessage({ batchId: 'i'.repeat(240), ackedBelow: Number.MAX_SAFE_INTEGER, at, deltas, push })
}

describe('packing deltas into messages', () => {
  test('loses nothing and keeps the order', () => {
    fc.assert(
      fc.property(many, (deltas) => {
        expect(packDeltas(deltas, measureUsageDelta).flat()).toEqual(deltas)
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  test('keeps every message within 48 KiB and 64 keys per partition', () => {
    fc.assert(
      fc.property(many, (deltas) => {
        for (const message of packDeltas(deltas, measureUsageDelta)) {
          expect(Buffer.byteLength(encoded(message))).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
          for (const part of splitByPartition(message)) {
            expect(new Set(part.deltas.map((delta) => delta.providerId + delta.keyId)).size).toBeLessThanOrEqual(
              KEYS_PER_PARTITION_MAX,
            )
          }
        }
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  test('starts another message for the 65th key of one partition, far below 48 KiB', () => {
    const shard = keyIds.filter((keyId) => splitByPartition([plain(keyId)])[0]?.partition.shard === '05').slice(0, 65)
    expect(packDeltas(shard.map(plain), measureUsageDelta).map((message) => message.length)).toEqual([64, 1])
  })

  test('fills a message: at least 250 ordinary deltas of different keys', () => {
    expect(packDeltas(keyIds.map(plain), measureUsageDelta)[0]?.length).toBeGreaterThanOrEqual(250)
  })
})

function plain(keyId: string): UsageDelta {
  return {
    providerId: 'acme',
    keyId,
    ownerId: null,
    environment: 'live',
    hour: '2026112210',
    outcome: 'VALID',
    endpoint: '',
    statusClass: '2xx',
    count: 1,
    lastUsedAt: '2026-11-22T10:00:00.000Z',
    lastIpHash: null,
    lastIp: null,
  }
}
