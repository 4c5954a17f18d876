import type { Key } from '../../domain/keys/key.ts'

/** What the log says of a call that made, changed or ended a key. */
export function traceKey({ keyId, providerId, rotatedFrom }: Pick<Key, 'keyId' | 'providerId' | 'rotatedFrom'>) {
  return { keyId, providerId, ...(rotatedFrom !== null && { rotatedFrom }) }
}
