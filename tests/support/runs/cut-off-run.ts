import { setTimeout } from 'node:timers/promises'
import { NewKeyView } from '../../../shared/contracts/keys.ts'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { startAzurite } from './azurite.ts'
import { type LocalHost, startLocalHost } from './local-host.ts'
import { startStorageProxies } from './storage-proxies.ts'
import { makeTestSettings } from './test-settings.ts'

type Host = LocalHost & { readonly baseUrl: string }

export interface CutOffReport {
  /** The highest `cache_age_ms` of a verdict VALID that the instance gave while it was cut off; each was degraded. */
  readonly oldestValidMs: number
  readonly undegraded: number
  /** The answers of the cut-off instance, by verdict or status. */
  readonly answers: Readonly<Record<string, number>>
  /** What the instance answers in the end of the outage: for the revoked key, and for the revoked management key. */
  readonly last: readonly string[]
  /** The statuses of management calls of the revoked management key while cut off, from 8 s on. */
  readonly management: readonly string[]
  /** From the end of the outage until the instance refuses the key. */
  readonly refusedAfterMs: number
}

const STEP_MS = 250
const FRESH_MS = 8000

/**
 * Two instances, of which one loses the tables: its connections stay open and nothing answers. Meanwhile the other
 * instance revokes a key and a management key that both have cached.
 */
export async function runCutOff(seed: number, staleIfErrorSeconds: number): Promise<CutOffReport> {
  const cleanUps: (() => Promise<void>)[] = []
  try {
    return await runIn(seed, staleIfErrorSeconds, (cleanUp) => void cleanUps.unshift(cleanUp))
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

async function runIn(seed: number, staleSeconds: number, onEnd: (cleanUp: () => Promise<void>) => void) {
  const azurite = await startAzurite()
  onEnd(azurite.stop)
  const proxies = await startStorageProxies(azurite, seed)
  onEnd(proxies.close)
  const settings = { ...makeTestSettings('local'), STALE_IF_ERROR_SECONDS: String(staleSeconds) }
  const start = async (connectionString: string) => {
    const env = { ...settings, AZURE_STORAGE_CONNECTION_STRING: connectionString, DB_FALLBACK: 'false' }
    const host = await startLocalHost({ env, args: ['--quiet'] })
    onEnd(async () => {
      host.kill('SIGKILL')
      await host.exited
    })
    return host
  }
  const [well, cutOff] = [await start(azurite.connectionString), await start(proxies.connectionString)]
  const made = await makeKeys(well, settings.ADMIN_KEY)
  const validate = (host: Host, credential: string) => verdictOf(host, credential, made.key.secret)
  for (const host of [well, cutOff]) {
    await poll(async () => (await validate(host, made.manager.secret)).code === 'VALID', 20_000)
  }
  await proxies.tables.setOutage('blackhole')
  const sinceMs = performance.now()
  for (const { id } of [made.key, made.manager]) await revoke(well, settings.ADMIN_KEY, id)

  const seen = await watch(
    cutOff,
    { ...made, credential: settings.ADMIN_KEY },
    staleSeconds * 1000 + FRESH_MS - (performance.now() - sinceMs),
  )
  const last = [await validate(cutOff, settings.ADMIN_KEY), await validate(cutOff, made.manager.secret)]
  await proxies.tables.setOutage(null)
  const backAtMs = performance.now()
  await poll(async () => (await validate(cutOff, settings.ADMIN_KEY)).code === 'REVOKED', 30_000)
  return {
    ...{ ...seen, last: last.map(({ code }) => code) },
    refusedAfterMs: performance.now() - backAtMs,
  }
}

interface Watched {
  readonly credential: string
  readonly key: HeldKey
  readonly manager: HeldKey
}

/** Calls the instance that is cut off for so long. */
async function watch(host: Host, { credential, key, manager }: Watched, lastsMs: number) {
  const answers: Record<string, number> = {}
  const management = new Set<string>()
  const beganMs = performance.now()
  let [oldestValidMs, undegraded] = [0, 0]
  for (let passedMs = 0; passedMs < lastsMs; passedMs = performance.now() - beganMs) {
    const { code, degraded, ageMs } = await verdictOf(host, credential, key.secret)
    answers[code] = (answers[code] ?? 0) + 1
    if (code === 'VALID') oldestValidMs = Math.max(oldestValidMs, ageMs)
    undegraded += Number(code === 'VALID' && !degraded && ageMs > FRESH_MS)
    if (passedMs > FRESH_MS) management.add(await readKey(host, manager.secret, key.id))
    await setTimeout(STEP_MS)
  }
  return { oldestValidMs, undegraded, answers, management: [...management] }
}

interface HeldKey {
  readonly id: string
  readonly secret: string
}

async function makeKeys(host: Host, credential: string) {
  const make = async (body: object) => {
    const request = () => callApi(host.baseUrl, 'POST /auth/keys/generate', { credential, body })
    const { key, key_id: id } = (await request()).as(NewKeyView)
    return { id, secret: key ?? '' }
  }
  return {
    key: await make({ provider_id: 'acme', environment: 'live', name: 'key' }),
    manager: await make({ kind: 'management', provider_id: '*', name: 'm', scopes: ['keys:read', 'keys:validate'] }),
  }
}

async function verdictOf(host: Host, credential: string, key: string) {
  const reply = await callApi(host.baseUrl, 'POST /auth/keys/validate', { credential, body: { key, dry_run: true } })
  if (reply.status !== 200) return { code: String(reply.status), degraded: false, ageMs: 0 }
  const { code, degraded, cache_age_ms: ageMs } = reply.as(ValidationView)
  return { code, degraded: degraded === true, ageMs: ageMs ?? 0 }
}

async function revoke(host: Host, credential: string, keyId: string): Promise<void> {
  const { status } = await callApi(host.baseUrl, `POST /auth/keys/${keyId}/revoke`, { credential, body: {} })
  if (status !== 200) throw new Error(`The revocation got ${status}.`)
}

async function readKey(host: Host, credential: string, keyId: string): Promise<string> {
  return String((await callApi(host.baseUrl, `GET /auth/keys/${keyId}`, { credential })).status)
}
