import pLimit from 'p-limit'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import { partitionName } from '../../domain/usage/partition.ts'
import { type PushedPart, type PushProgress, type PushRecord, pushProgress } from '../../domain/usage/push.ts'
import type { PushStore, RollUpMarks } from '../../ports/usage-reports.ts'

interface ReadPushNeeds {
  readonly pushes: Pick<PushStore, 'find' | 'parts'>
  readonly marks: Pick<RollUpMarks, 'read'>
}

const READS_AT_ONCE = 16

/**
 * Returns the progress of a pushed batch: `completed` when every part was counted and reports show it. Throws
 * `batch_not_found` for an unknown and for another provider's batch.
 */
export async function readPush(
  { pushes, marks }: ReadPushNeeds,
  scope: OneProvider,
  batchId: string,
): Promise<{ readonly record: PushRecord; readonly progress: PushProgress }> {
  const record = await pushes.find(scope, batchId)
  if (record === undefined) throw new AppError('batch_not_found', 'There is no batch with this id.')
  const parts = await pushes.parts(scope, batchId)
  const visible = parts.length >= record.parts && (await areVisible(marks, parts))
  return { record, progress: pushProgress(record, parts, visible) }
}

/** Whether the roll-up has copied every partition as far as the parts were counted into it. */
async function areVisible(marks: Pick<RollUpMarks, 'read'>, parts: readonly PushedPart[]): Promise<boolean> {
  const byName = Map.groupBy(
    parts.flatMap(({ partitions }) => partitions),
    partitionName,
  )
  const seen = await pLimit(READS_AT_ONCE).map(byName.values(), async (counted) => {
    const [partition] = counted
    const needed = Math.max(...counted.map(({ batches }) => batches))
    return partition === undefined || (await marks.read(partition)) >= needed
  })
  return !seen.includes(false)
}
