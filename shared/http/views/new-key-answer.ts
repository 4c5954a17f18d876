import type { NewKey } from '../../operations/keys/generate-key.ts'
import type { Answer } from '../endpoint-spec.ts'
import { toKeyView } from './keys.ts'
import { traceKey } from './trace-key.ts'

/** The answer that carries a secret, this once: a replay of it shows null in its place. */
export function toNewKeyAnswer({ key, secret }: NewKey, now: Date): Answer {
  const view = toKeyView(key, now, undefined)
  return {
    status: 201,
    headers: { location: `/auth/keys/${key.keyId}` },
    body: { key: secret, ...view },
    replayBody: { key: null, ...view },
    trace: traceKey(key),
  }
}
