import { addDeltas, countOf, keyName } from '../../../shared/domain/usage/counters.ts'
import { shardOf, splitByPartition } from '../../../shared/domain/usage/partition.ts'
import type { UsageDelta } from '../../../shared/domain/usage/usage.ts'
import type { AppliedBatch, ScannedCounters, UsageLedger } from '../../../shared/ports/usage.ts'

/** Uses of one key, at 10:30 UTC on 22 November 2026 unless `change` says otherwise. */
export function sampleDelta(change: Partial<UsageDelta> = {}): UsageDelta {
  const hour = change.hour ?? '2026112210'
  return {
    providerId: 'acme',
    keyId: keyInShard('00'),
    ownerId: 'customer-42',
    environment: 'live',
    hour,
    outcome: 'VALID',
    endpoint: '/orders',
    statusClass: '2xx',
    count: 1,
    lastUsedAt: `${hour.slice(0, 4)}-${hour.slice(4, 6)}-${hour.slice(6, 8)}T${hour.slice(8, 10)}:30:00.000Z`,
    lastIpHash: null,
    lastIp: null,
    ...change,
  }
}

/** A key id of the given shard; a different id for every `number`. */
export function keyInShard(shard: string, number = 0): string {
  for (let candidate = 0, found = 0; ; candidate++) {
    const keyId = `01KAAAAAAAAAAAAAAAAAA${String(candidate).padStart(5, '0')}`
    if (shardOf(keyId) === shard && found++ === number) return keyId
  }
}

/** Counts deltas as the consumer does, in the given batch. */
export async function countInto(
  ledger: UsageLedger,
  deltas: readonly UsageDelta[],
  batch: Partial<AppliedBatch> & Pick<AppliedBatch, 'batchId'>,
): Promise<void> {
  for (const part of splitByPartition(deltas)) {
    const meta = await ledger.readMeta(part.partition)
    const before = await ledger.readCounters(part.partition, part.deltas)
    const known = new Map(before.map((row) => [keyName(row), row]))
    await ledger.commit(part.partition, {
      meta,
      applied: [{ ackedBelow: 1, at: '2026-11-22T10:30:00.000Z', ...batch, count: countOf(part.deltas) }],
      counters: addDeltas((name) => known.get(name), part.deltas),
    })
  }
}

/** The counters of a key's day as a scan returns them: the sum of the deltas. */
export function sampleCounters(deltas: readonly UsageDelta[], version: number): ScannedCounters {
  const [row] = addDeltas(() => undefined, deltas)
  if (row === undefined) throw new Error('Counters are made of one delta at least.')
  return { ...row, version }
}
