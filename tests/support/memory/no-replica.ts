import type { KeyReplica } from '../../../shared/ports/key-cache.ts'

/** A replica without a disk: stores nothing and finds nothing. */
export const noReplica: KeyReplica = {
  findByDigest: () => undefined,
  findByKeyId: () => undefined,
  findProvider: () => undefined,
  findRevocation: () => undefined,
  watermarkMs: () => undefined,
  countKeys: () => 0,
  save: () => undefined,
}
