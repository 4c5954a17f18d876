import type { UsageBatch } from '../../../shared/domain/usage/usage.ts'
import { keyInShard, sampleDelta } from '../samples/usage-samples.ts'
import type { CountingScenario } from './counting-world.ts'

/** Batch `number` adds `10 ** number` uses in each shard, so all sums differ. The first batch is part of a push. */
export function sampleBatches(count: number, shards: readonly string[] = ['00']): readonly UsageBatch[] {
  return Array.from({ length: count }, (_, number) => ({
    batchId: `host.boot.${number + 1}`,
    ackedBelow: 1,
    at: '2026-11-22T10:30:00.000Z',
    deltas: shards.map((shard) => sampleDelta({ keyId: keyInShard(shard), count: 10 ** number })),
    push: number === 0 ? { providerId: 'acme', batchId: 'nightly', part: 1 } : null,
  }))
}

/** A batch of uses in one partition, of which the store refuses the last. Part of a push. */
const refused: UsageBatch = {
  batchId: 'host.boot.1',
  ackedBelow: 1,
  at: '2026-11-22T10:30:00.000Z',
  deltas: ['/a', '/b', 'refused'].map((endpoint, number) =>
    sampleDelta({ keyId: keyInShard('00', number), endpoint, count: 10 ** number }),
  ),
  push: { providerId: 'acme', batchId: 'nightly', part: 1 },
}
/** The smallest that is split. */
const refusedPair: UsageBatch = { ...refused, deltas: refused.deltas.slice(1) }
const beside: UsageBatch = { ...refused, batchId: 'host.boot.2', push: null, deltas: [sampleDelta({ count: 1000 })] }
const refusing = { refusedEndpoint: 'refused', replays: 1, faults: 1 }

/** A batch of two uses, of which the store refuses one until it is mended; replayed once, 1 fault. */
export const refusedScenario: CountingScenario = { batches: [refusedPair], ...refusing }

/** Take a few seconds together: for every run of the tests. */
export const quickScenarios: Record<string, CountingScenario> = {
  '1 batch, 2 faults': { batches: sampleBatches(1), faults: 2 },
  '1 batch over 2 partitions, 1 fault': { batches: sampleBatches(1, ['00', '01']), faults: 1 },
  '2 batches received one by one, no fault': { batches: sampleBatches(2), faults: 0, receiveLimit: 1 },
  '2 batches received together, 1 fault, warm processes': { batches: sampleBatches(2), faults: 1, warm: true },
  '3 batches received together, 1 fault': { batches: sampleBatches(3), faults: 1 },
  '2 batches, 1 fault, sealed in between': {
    batches: sampleBatches(2),
    faults: 1,
    seal: { day: '20261122', shard: '00' },
  },
  'a batch with a refused use, 1 fault, set aside': { batches: [refusedPair], ...refusing, replays: 0 },
  'a batch with a refused use, no fault, set aside and replayed': { batches: [refused], ...refusing, faults: 0 },
  'a batch with a refused use beside a good batch, no fault': { batches: [refused, beside], ...refusing, faults: 0 },
}

/** Take minutes: for `bench/crash-points.ts`. */
export const deepScenarios: Record<string, CountingScenario> = {
  '2 batches received together, 2 faults': { batches: sampleBatches(2), faults: 2 },
  '2 batches received one by one, 1 fault': { batches: sampleBatches(2), faults: 1, receiveLimit: 1 },
  '3 batches received one by one, no fault': { batches: sampleBatches(3), faults: 0, receiveLimit: 1 },
  '3 batches over 2 partitions, 1 fault': { batches: sampleBatches(3, ['00', '01']), faults: 1 },
  'a batch with a refused use, 1 fault, set aside and replayed': { batches: [refused], ...refusing },
  'a batch with a refused use, 2 faults, replayed twice': { batches: [refused], ...refusing, faults: 2, replays: 2 },
  'a batch with a refused use beside a good batch, 1 fault': { batches: [refused, beside], ...refusing },
  'a batch with a refused use, 1 fault, sealed in between': {
    batches: [refused],
    ...refusing,
    seal: { day: '20261122', shard: '00' },
  },
  '3 batches received together, 2 faults': { batches: sampleBatches(3), faults: 2 },
}
