import { isDeepStrictEqual } from 'node:util'
import { addDeltas, countOf, keyName } from '../../../shared/domain/usage/counters.ts'
import { partitionName, splitByPartition } from '../../../shared/domain/usage/partition.ts'
import type { UsageBatch, UsageDelta } from '../../../shared/domain/usage/usage.ts'
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

/** Counters are the sum of exactly the batches, and halves of batches, that have a row. */
function brokenPartition({ partition, meta, applied, counters }: HeldPartition, batches: readonly UsageBatch[]) {
  const parts = batches.map((batch) => {
    const part = splitByPartition(batch.deltas).find((one) => partitionName(one.partition) === partitionName(partition))
    return piecesOf(batch.batchId, part?.deltas ?? [])
  })
  const pieces = parts.flat()
  const deltas = pieces.filter(({ id }) => isCounted(applied, id)).flatMap((piece) => piece.deltas)
  const orphan = pieces.find(({ id, parent }) => applied.has(id) && parent !== undefined && !applied.get(parent)?.split)
  if (orphan !== undefined) return `${orphan.id} has a row, and its whole is not split`
  const expected = new Map(addDeltas(() => undefined, deltas).map((row) => [keyName(row), row]))
  const actual = new Map([...counters].map(([name, { version: _, ...row }]) => [name, row]))
  if (!isDeepStrictEqual(actual, expected)) return 'the counters are not the sum of the counted batches'
  if (meta.batches !== applied.size) return 'the fence row miscounts the batches'
  if (meta.total !== countOf(deltas)) return 'the fence row miscounts the uses'
  return undefined
}

interface Piece {
  readonly id: string
  readonly parent: string | undefined
  readonly deltas: readonly UsageDelta[]
}

/** A batch in one partition, its halves, their halves, and so on. */
function piecesOf(id: string, deltas: readonly UsageDelta[], parent?: string): readonly Piece[] {
  const piece = { id, parent, deltas }
  if (deltas.length <= 1) return [piece]
  const middle = Math.ceil(deltas.length / 2)
  const name = id.includes('~') ? id : `${id}~`
  return [
    piece,
    ...piecesOf(`${name}0`, deltas.slice(0, middle), id),
    ...piecesOf(`${name}1`, deltas.slice(middle), id),
  ]
}

function isCounted(applied: HeldPartition['applied'], id: string): boolean {
  return applied.has(id) && applied.get(id)?.split !== true
}

/** A message is gone only when each of its parts has one outcome, and the push log was told. */
function brokenBatch(state: CountingState, batch: UsageBatch): string | undefined {
  const parts = splitByPartition(batch.deltas).map(({ partition, deltas }) => {
    return { outcome: outcomeOf(state, batch, deltas, partitionName(partition)), count: countOf(deltas) }
  })
  if (parts.some(({ outcome }) => outcome === 'both')) return 'counted, and kept aside as late too'
  const isOpen = parts.some(({ outcome }) => outcome === 'open')
  const kept = [...state.queue.held(), ...state.poison.held(), ...state.poisoned.held()]
  const isGone = !kept.some(({ body }) => body === state.bodies.get(batch.batchId))
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

function outcomeOf(
  state: CountingState,
  { batchId }: UsageBatch,
  deltas: readonly UsageDelta[],
  partition: string,
): PartOutcome {
  const applied = state.ledger.held().find((one) => partitionName(one.partition) === partition)?.applied ?? new Map()
  const late = state.late.held().some((one) => one.batchId === batchId && partitionName(one.partition) === partition)
  const pieces = piecesOf(batchId, deltas)
  const counted = pieces.filter(({ id }) => isCounted(applied, id)).flatMap((piece) => piece.deltas)
  if (counted.length > 0 && late) return 'both'
  if (late) return 'late'
  return counted.length >= deltas.length ? 'applied' : 'open'
}
