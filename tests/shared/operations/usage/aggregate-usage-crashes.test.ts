import { describe, expect, test } from 'vitest'
import type { CommitResult } from '../../../../shared/ports/usage.ts'
import type { CountingPorts } from '../../../support/worlds/counting-process.ts'
import { quickScenarios, refusedScenario, sampleBatches } from '../../../support/worlds/counting-scenarios.ts'
import { countingWorld } from '../../../support/worlds/counting-world.ts'
import { explore } from '../../../support/worlds/explore.ts'

describe('two consumers that may crash, receive messages twice and lose replies at every await', () => {
  test.for(Object.entries(quickScenarios))(
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
    'counters are written although the batch has a row': (ports) =>
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
    'a conflict is taken for "counted" without a read': (ports) => ({
      ...ports,
      ledger: {
        ...ports.ledger,
        findApplied: async (_partition, batchIds) => new Map(batchIds.map((id) => [id, 'counted'])),
      },
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
    const scenario = { batches: sampleBatches(2), faults: 2, plant }
    const { found } = await explore(() => countingWorld(scenario))
    expect(found?.violation).toBeDefined()
    process.stdout.write(`found after ${found?.steps.length} steps: ${found?.violation}\n`)
  })

  const mistakesWithRefusals: Record<string, (ports: CountingPorts) => CountingPorts> = {
    'a message with a refused use is not set aside': (ports) => ({
      ...ports,
      poisoned: { ...ports.poisoned, put: async () => undefined },
    }),
    'a replayed message leaves the store before the queue has it': (ports) => ({
      ...ports,
      poisoned: {
        ...ports.poisoned,
        page: async (request) => {
          const page = await ports.poisoned.page(request)
          for (const { value, version } of page.items) await ports.poisoned.remove(value.id, version)
          return page
        },
      },
    }),
    'a replay removes a message that was set aside again meanwhile': (ports) => ({
      ...ports,
      poisoned: {
        ...ports.poisoned,
        remove: async (id) => {
          const found = await ports.poisoned.find(id)
          return ports.poisoned.remove(id, found?.version ?? '')
        },
      },
    }),
    'the halves of a batch are counted although the whole was': (ports) => ({
      ...ports,
      ledger: {
        ...ports.ledger,
        findApplied: async (partition, batchIds) =>
          new Map([...(await ports.ledger.findApplied(partition, batchIds)).keys()].map((id) => [id, 'split'])),
      },
    }),
  }

  test.for(Object.entries(mistakesWithRefusals))('%s', { timeout: 120_000 }, async ([, plant]) => {
    const { found } = await explore(() => countingWorld({ ...refusedScenario, plant }))
    expect(found?.violation).toBeDefined()
    process.stdout.write(`found after ${found?.steps.length} steps: ${found?.violation}\n`)
  })
})
