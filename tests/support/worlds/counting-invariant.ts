import { isDeepStrictEqual } from 'node:util'
import { addDeltas, countOf, keyName } from '../../../shared/domain/usage/counters.ts'
import { partitionName, splitByPartition } from '../../../shared/domain/usage/partition.ts'
import type { UsageBatch } from '../../../shared/domain/usage/usage.ts'
import type { HeldPartition } from '../memory/memory-usage-ledger.ts'
import type { CountingState } from './counting-world.ts'

/** The invariant of counting: at every moment no use is lost and no use counts twice. */
export function violationOf(state: CountingState): string | undefined {
  const { batches } = state.scenario
  for (const held of state.ledger.held()) {
    const broken = brokenPartition(held, batches)
    if (broken !== undefined) return `${partitionName(held.partition)}: ${broken}`
  }
  for (const batch of batches) {
    const broken = brokenBatch(state, batch)
    if (broken !== undefined) return `${batch.batchId}: ${broken}`
  }
  return undefined
}

/** Counters are the sum of exactly the batches that have a row. */
function brokenPartition({ partition, meta, applied, counters }: HeldPartition, batches: readonly UsageBatch[]) {
  const deltas = batches
    .filter((batch) => applied.has(batch.batchId))
    .flatMap((batch) => splitByPartition(batch.deltas))
    .filter((part) => partitionName(part.partition) === partitionName(partition))
    .flatMap((part) => part.deltas)
  const expected = new Map(addDeltas(() => undefined, deltas).map((row) => [keyName(row), row]))
  const actual = new Map([...counters].map(([name, { version: _, ...row }]) => [name, row]))
  if (!isDeepStrictEqual(actual, expected)) return 'the counters are not the sum of the counted batches'
  if (meta.batches !== applied.size) return 'the fence row miscounts the batches'
  if (meta.total !== countOf(deltas)) return 'the fence row miscounts the uses'
  return undefined
}

/** A message is gone only when each of its parts has one outcome, and the push log was told. */
function brokenBatch(state: CountingState, batch: UsageBatch): string | undefined {
  const parts = splitByPartition(batch.deltas).map(({ partition, deltas }) => {
    return { outcome: outcomeOf(state, batch, partitionName(partition)), count: countOf(deltas) }
  })
  if (parts.some(({ outcome }) => outcome === 'both')) return 'counted, and kept aside as late too'
  const isOpen = parts.some(({ outcome }) => outcome === 'open')
  const isGone = !state.queue.held().some(({ body }) => body === state.bodies.get(batch.batchId))
  if (isGone && isOpen) return 'the message is gone, but not all of it was counted'
  if (batch.push === null) return undefined
  const told = state.pushed.get(`${batch.push.batchId}.${batch.push.part}`)
  if (told === undefined) return isGone ? 'the message is gone, but the push log was not told' : undefined
  const sum = (wanted: PartOutcome) =>
    parts.reduce((total, { outcome, count }) => total + (outcome === wanted ? count : 0), 0)
  const counts = { applied: sum('applied'), late: sum('late') }
  return isOpen || !isDeepStrictEqual(told, counts) ? 'the push log was told a wrong count' : undefined
}

type PartOutcome = 'open' | 'applied' | 'late' | 'both'

function outcomeOf(state: CountingState, { batchId }: UsageBatch, partition: string): PartOutcome {
  const held = state.ledger.held().find((one) => partitionName(one.partition) === partition)
  const late = state.late.held().some((one) => one.batchId === batchId && partitionName(one.partition) === partition)
  if (held?.applied.has(batchId)) return late ? 'both' : 'applied'
  return late ? 'late' : 'open'
}
