import { randomBytes } from 'node:crypto'
import { generateSecret } from '../../../shared/domain/keys/key-format.ts'
import { newUlid } from '../../../shared/runtime/ulid.ts'
import { type CallOptions, callApi } from '../requests/api-client.ts'

/** A dear call that one tenant sends at full load. */
export type LoadName =
  | 'batch no-cache'
  | 'push'
  | 'push of known keys'
  | 'listing'
  | 'generate'
  | 'unknown keys'
  | 'filter without match'

export const loadNames: readonly LoadName[] = [
  'batch no-cache',
  'push',
  'listing',
  'generate',
  'unknown keys',
  'filter without match',
]

const BATCH = 100
const EVENTS = 10_000

interface TenantKey {
  readonly keyId: string
  readonly secret: string
}

type CallOf = () => readonly [`${string} /${string}`, CallOptions]

/** The calls of a tenant that has these keys. */
export function tenantCalls(credential: string, keys: readonly TenantKey[]): Readonly<Record<LoadName, CallOf>> {
  const requests = Array.from({ length: BATCH }, (_, index) => ({ key: keys[index % keys.length]?.secret }))
  const at = new Date().toISOString()
  const events = (eventOf: (index: number) => object) =>
    JSON.stringify({ events: Array.from({ length: EVENTS }, (_, index) => ({ ...eventOf(index), at })) })
  // Every event is of another key: each costs a lookup.
  const unknown = events(() => ({ key_id: newUlid() }))
  // Few keys and many endpoints: large messages.
  const known = events((index) => ({
    key_id: keys[index % keys.length]?.keyId,
    endpoint: `GET /things/${index}/parts`,
  }))
  const noCache = { 'cache-control': 'no-cache' }
  return {
    'batch no-cache': () => ['POST /auth/keys/batch/validate', { credential, body: { requests }, headers: noCache }],
    push: () => ['POST /auth/keys/batch/usage', { credential, rawBody: unknown }],
    'push of known keys': () => ['POST /auth/keys/batch/usage', { credential, rawBody: known }],
    listing: () => ['GET /auth/keys?limit=100', { credential }],
    generate: () => ['POST /auth/keys/generate', { credential, body: { environment: 'live', name: 'more' } }],
    'unknown keys': () => {
      const fresh = Array.from({ length: BATCH }, () => ({ key: generateSecret('live', randomBytes) }))
      return ['POST /auth/keys/batch/validate', { credential, body: { requests: fresh } }]
    },
    'filter without match': () => ['GET /auth/keys?limit=100&owner_id=missing', { credential }],
  }
}

export interface RunningLoad {
  /** Ends the load. Resolves to its answers by status. */
  stop(): Promise<Readonly<Record<string, number>>>
}

/** Calls again as soon as a call is answered, `atOnce` times at each host. Heeds no Retry-After. */
export function startLoad(baseUrls: readonly string[], callOf: CallOf, atOnce: number): RunningLoad {
  const answers: Record<string, number> = {}
  const ended = new AbortController()

  async function keepCalling(baseUrl: string): Promise<void> {
    while (!ended.signal.aborted) {
      const [call, options] = callOf()
      const reply = await callApi(baseUrl, call, { ...options, signal: ended.signal }).catch(() => undefined)
      const answer = String(reply?.status ?? 'unanswered')
      answers[answer] = (answers[answer] ?? 0) + 1
    }
  }

  const loops = baseUrls.flatMap((baseUrl) => Array.from({ length: atOnce }, () => keepCalling(baseUrl)))
  return {
    async stop() {
      ended.abort()
      await Promise.all(loops)
      return answers
    },
  }
}
