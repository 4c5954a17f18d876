import type { KeyReplica } from '../../../shared/ports/key-cache.ts'

/** Where nothing may be kept on a disk. */
export const noReplica: KeyReplica = {
  findByDigest: () => undefined,
  findByKeyId: () => undefined,
  findProvider: () => undefined,
  findRevocation: () => undefined,
  watermarkMs: () => undefined,
  countKeys: () => 0,
  save: () => undefined,
}
