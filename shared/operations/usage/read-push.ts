import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import { type PushProgress, type PushRecord, pushProgress } from '../../domain/usage/push.ts'
import type { PushStore } from '../../ports/usage-reports.ts'

/** Returns the progress of a pushed batch. Throws `batch_not_found` for an unknown and for another provider's batch. */
export async function readPush(
  { pushes }: { readonly pushes: Pick<PushStore, 'find' | 'parts'> },
  scope: OneProvider,
  batchId: string,
): Promise<{ readonly record: PushRecord; readonly progress: PushProgress }> {
  const record = await pushes.find(scope, batchId)
  if (record === undefined) throw new AppError('batch_not_found', 'There is no batch with this id.')
  return { record, progress: pushProgress(record, await pushes.parts(scope, batchId)) }
}
