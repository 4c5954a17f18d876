import { describe, expect, test } from 'vitest'
import type { UsageBatch } from '../../../shared/domain/usage.ts'
import type { CommitResult } from '../../../shared/ports.ts'
import type { CountingPorts } from '../../support/counting-process.ts'
import { type CountingScenario, countingWorld } from '../../support/counting-world.ts'
import { explore } from '../../support/explore.ts'
import { keyInShard, sampleDelta } from '../../support/usage-samples.ts'

/** Batch `number` adds `10 ** number` uses in each shard, so that no sum looks like another. The first is a push. */
function batches(count: number, shards: readonly string[] = ['00']): readonly UsageBatch[] {
  return Array.from({ length: count }, (_, number) => ({
    batchId: `host.boot.${number + 1}`,
    ackedBelow: 1,
    at: '2026-11-22T10:30:00.000Z',
    deltas: shards.map((shard) => sampleDelta({ keyId: keyInShard(shard), count: 10 ** number })),
    push: number === 0 ? { providerId: 'acme', batchId: 'nightly', part: 1 } : null,
  }))
}

const scenarios: Record<string, CountingScenario> = {
  '1 batch, 2 faults': { batches: batches(1), faults: 2 },
  '1 batch over 2 partitions, 1 fault': { batches: batches(1, ['00', '01']), faults: 1 },
  '2 batches received one by one, no fault': { batches: batches(2), faults: 0, receiveLimit: 1 },
  '2 batches received together, 1 fault, processes that remember': { batches: batches(2), faults: 1, warm: true },
  '3 batches received together, 1 fault': { batches: batches(3), faults: 1 },
  '2 batches received together, 2 faults': { batches: batches(2), faults: 2 },
  '2 batches, 1 fault, sealed in between': {
    batches: batches(2),
    faults: 1,
    seal: { day: '20261122', shard: '00' },
  },
}

describe('two consumers that may crash, get messages twice, and lose replies at every await', () => {
  test.for(Object.entries(scenarios))(
    'count every batch exactly once: %s',
    { timeout: 120_000 },
    async ([name, scenario]) => {
      const { found, states, steps, ends } = await explore(() => countingWorld(scenario))
      process.stdout.write(`crash points, ${name}: ${states} states, ${steps} steps, ${ends} ends\n`)
      expect(found).toBeUndefined()
      expect(ends).toBeGreaterThan(0)
    },
  )
})

type Commit = CountingPorts['ledger']['commit']

function withCommit(ports: CountingPorts, wrap: (commit: Commit) => Commit): CountingPorts {
  return { ...ports, ledger: { ...ports.ledger, commit: wrap(ports.ledger.commit) } }
}

describe('the enumeration finds a planted mistake:', () => {
  const mistakes: Record<string, (ports: CountingPorts) => CountingPorts> = {
    'counters are written without the dedupe row': (ports) =>
      withCommit(ports, (commit) => (partition, change) => commit(partition, { ...change, applied: [] })),
    'counters are written although the fence has moved': (ports) =>
      withCommit(ports, (commit) => async (partition, change) => {
        const result = await commit(partition, change)
        if (result.kind !== 'fenced') return result
        return commit(partition, { ...change, meta: await ports.ledger.readMeta(partition) })
      }),
    'counters are written although the batch is there': (ports) =>
      withCommit(ports, (commit) => async (partition, change): Promise<CommitResult> => {
        const result = await commit(partition, change)
        if (result.kind !== 'duplicate') return result
        const meta = await ports.ledger.readMeta(partition)
        const known = await ports.ledger.findApplied(
          partition,
          change.applied.map(({ batchId }) => batchId),
        )
        return commit(partition, {
          ...change,
          meta,
          applied: change.applied.filter(({ batchId }) => !known.has(batchId)),
        })
      }),
    'a conflict is taken for "counted" without a look': (ports) => ({
      ...ports,
      ledger: { ...ports.ledger, findApplied: async (_partition, batchIds) => new Set(batchIds) },
    }),
    'the message is deleted before it is counted': (ports) => ({
      ...ports,
      queue: {
        ...ports.queue,
        receive: async (limit, hiddenSeconds) => {
          const messages = await ports.queue.receive(limit, hiddenSeconds)
          await Promise.all(messages.map(ports.queue.remove))
          return messages
        },
      },
    }),
    'a lost reply is taken for "not counted", under a new id': (ports) =>
      withCommit(ports, (commit) => {
        let tries = 0
        return (partition, { applied, ...change }) => {
          const renamed = applied.map((batch) => ({
            ...batch,
            batchId: `${batch.batchId}${tries++ > 0 ? '-again' : ''}`,
          }))
          return commit(partition, { ...change, applied: renamed })
        }
      }),
    'the push log is not told': (ports) => ({
      ...ports,
      pushLog: { partApplied: async () => undefined },
    }),
  }

  test.for(Object.entries(mistakes))('%s', { timeout: 120_000 }, async ([, plant]) => {
    const scenario = { batches: batches(2), faults: 2, plant }
    const { found } = await explore(() => countingWorld(scenario))
    expect(found?.violation).toBeDefined()
    process.stdout.write(`found after ${found?.steps.length} steps: ${found?.violation}\n`)
  })
})
