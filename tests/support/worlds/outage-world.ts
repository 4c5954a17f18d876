import { NewKeyView } from '../../../shared/contracts/keys.ts'
import type { ValidationView } from '../../../shared/contracts/validate.ts'
import { generateSecret, type KeyPrefix } from '../../../shared/domain/keys/key-format.ts'
import type { CallOptions, Reply } from '../requests/api-client.ts'

export type Call = (request: `${string} /${string}`, options?: CallOptions) => Promise<Reply>
type Code = ValidationView['code']

/** A key, the body of its validation, and its right verdict at any time. */
export interface OutageKey {
  readonly keyId: string
  readonly secret: string
  readonly ask: Readonly<Record<string, unknown>>
  /** More than one code while a request may be judged before or after the expiry. */
  readonly rightCodes: (sentAtMs: number, answeredAtMs: number) => readonly Code[]
}

interface Kind {
  readonly code: Code
  /** Fields of the generate request. */
  readonly made?: Readonly<Record<string, unknown>>
  /** Fields of the validate request. */
  readonly ask?: Readonly<Record<string, unknown>>
  readonly next?: (call: Call, keyId: string) => Promise<unknown>
}

/** One for each verdict on a cached key that needs no store. */
const kinds: readonly Kind[] = [
  { code: 'VALID' },
  { code: 'VALID', made: { rate_limits: [{ name: 'minute', limit: 1_000_000, window_seconds: 60 }] } },
  { code: 'VALID', made: { ip_restrictions: ['192.0.2.0/24'] }, ask: { client_ip: '192.0.2.7' } },
  { code: 'IP_NOT_ALLOWED', made: { ip_restrictions: ['192.0.2.0/24'] }, ask: { client_ip: '198.51.100.7' } },
  { code: 'INSUFFICIENT_SCOPE', made: { scopes: ['orders:read'] }, ask: { scopes: ['orders:write'] } },
  { code: 'ENVIRONMENT_MISMATCH', ask: { environment: 'test' } },
  { code: 'REVOKED', next: (call, keyId) => call(`POST /auth/keys/${keyId}/revoke`) },
  { code: 'DISABLED', next: (call, keyId) => call(`PATCH /auth/keys/${keyId}`, { body: { enabled: false } }) },
]

/** Makes `perKind` keys of each kind, and `perKind` keys that expire at `expiresAtMs`. */
export async function makeOutageKeys(call: Call, perKind: number, expiresAtMs: number): Promise<readonly OutageKey[]> {
  const keys: OutageKey[] = []
  for (let round = 0; round < perKind; round++) {
    for (const kind of kinds) keys.push(await makeKey(call, kind))
    const made = { expires_at: new Date(expiresAtMs).toISOString() }
    const expiring = await makeKey(call, { code: 'VALID', made })
    keys.push({ ...expiring, rightCodes: (sent, answered) => codesAround(expiresAtMs, sent, answered) })
  }
  return keys
}

/** A well-formed key that no store has ever held. */
export function unknownSecret(prefix: KeyPrefix): string {
  return generateSecret(prefix, (size) => crypto.getRandomValues(new Uint8Array(size)))
}

async function makeKey(call: Call, { code, made, ask = {}, next }: Kind): Promise<OutageKey> {
  const body = { provider_id: 'acme', environment: 'live', name: 'k', ...made }
  const view = (await call('POST /auth/keys/generate', { body })).as(NewKeyView)
  const after = await next?.(call, view.key_id)
  if (after !== undefined && (after as Reply).status !== 200) throw new Error((after as Reply).text)
  return { keyId: view.key_id, secret: view.key ?? '', ask, rightCodes: () => [code] }
}

function codesAround(expiresAtMs: number, sentAtMs: number, answeredAtMs: number): readonly Code[] {
  if (answeredAtMs < expiresAtMs) return ['VALID']
  return sentAtMs >= expiresAtMs ? ['EXPIRED'] : ['VALID', 'EXPIRED']
}
