import { setTimeout as wait } from 'node:timers/promises'
import pLimit from 'p-limit'
import { NewKeyView } from '../../../shared/contracts/keys.ts'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi } from '../requests/api-client.ts'
import { callWithRetries } from '../requests/call-with-retries.ts'
import { makeTemporaryFolder } from '../samples/temporary-folder.ts'
import { startAzurite } from './azurite.ts'
import { startChargingProxy } from './charging-proxy.ts'
import { type LoadName, startLoad, tenantCalls } from './isolation-loads.ts'
import { startLocalHost } from './local-host.ts'
import { makeTestSettings } from './test-settings.ts'

export interface IsolationOptions {
  readonly loads: readonly LoadName[]
  readonly msPerLoad: number
  /** Calls of the tenant in flight at each host. */
  readonly atOnce: number
  /** The tables charge request units and throttle, as Cosmos DB does: so many a second, divided among the hosts. */
  readonly unitsPerSecond?: number
  /** The app under test; by default the built bundle. */
  readonly appDir?: string
}

export interface LoadReport {
  readonly load: LoadName
  /** The tenant's answers by status. */
  readonly tenant: Readonly<Record<string, number>>
  /** The neighbour's answers by the kind of its key and the code of the verdict, or the status and code of an error. */
  readonly neighbour: Readonly<Record<string, number>>
  /** Uses of the neighbour's key with a limit of 10 that were let through. */
  readonly taken: number
  readonly latenciesMs: readonly number[]
  readonly revokeStatus: number
  /** When the last accepted use of the revoked key was sent at the other hosts, after the reply to the revocation. */
  readonly lastAcceptedMs: number
  /** Requests that the store has throttled so far. */
  readonly throttled: number
}

export const LIMIT = 10
export const PROMISED_MS = 10_000
const HOSTS = 3
const TENANT_KEYS = 100
const WARM_KEYS = 5
const REVOKE_AFTER_MS = 1500
const PAUSE_MS = 40

interface World {
  readonly baseUrls: readonly string[]
  readonly operator: string
  readonly neighbour: string
  readonly throttled: () => number
}

/** The neighbour's keys for one load. */
interface KeySet {
  readonly limited: string
  readonly cold: string[]
  readonly ending: { readonly keyId: string; readonly secret: string }
}

/** One tenant sends each of the loads in turn while its neighbour uses its keys and the operator revokes one. */
export async function runIsolation(options: IsolationOptions): Promise<readonly LoadReport[]> {
  const cleanUps: (() => Promise<unknown>)[] = []
  try {
    return await runIn(await startWorld(options, (cleanUp) => cleanUps.unshift(cleanUp)), options)
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

async function startWorld(options: IsolationOptions, onEnd: (cleanUp: () => Promise<unknown>) => void): Promise<World> {
  const { unitsPerSecond, appDir } = options
  const azurite = await startAzurite()
  onEnd(azurite.stop)
  const proxy = unitsPerSecond === undefined ? undefined : await startChargingProxy(azurite.tablePort, unitsPerSecond)
  if (proxy !== undefined) onEnd(proxy.close)
  const settings = makeTestSettings('relaxed')
  const start = async () => {
    const env = {
      ...settings,
      AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
      ...(proxy && cosmosSettings(azurite.connectionString, proxy.port, (unitsPerSecond ?? 0) / HOSTS)),
      DB_PATH: await makeTemporaryFolder(onEnd),
      RATE_LIMIT_MAX_REQUESTS: '1000000',
      MAX_CONCURRENT_REQUESTS: '8',
    }
    const host = await startLocalHost({ env, args: ['--quiet'], ...(appDir === undefined ? {} : { appDir }) })
    onEnd(async () => {
      host.kill('SIGKILL')
      await host.exited
    })
    return host.baseUrl
  }
  const baseUrls = await Promise.all(Array.from({ length: HOSTS }, start))
  const operator = settings.ADMIN_KEY
  const neighbour = await makeManager(baseUrls, operator, 'neighbour')
  return { baseUrls, operator, neighbour, throttled: () => proxy?.seen.throttled ?? 0 }
}

function cosmosSettings(connectionString: string, port: number, unitsPerSecond: number) {
  const [, account = '', key = ''] = /AccountName=([^;]+);AccountKey=([^;]+)/.exec(connectionString) ?? []
  const endpoint = `TableEndpoint=http://127.0.0.1:${port}/${account}`
  return {
    AZURE_COSMOS_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};${endpoint}`,
    COSMOS_RU_LIMIT: String(Math.floor(unitsPerSecond)),
  }
}

async function runIn(world: World, { loads, msPerLoad, atOnce }: IsolationOptions): Promise<readonly LoadReport[]> {
  const tenantKeys = await makeKeys(world, 'tenant', TENANT_KEYS)
  const warm = (await makeKeys(world, 'neighbour', WARM_KEYS)).map(({ secret }) => secret)
  const sets = await pLimit(2).map(loads, () => makeKeySet(world))
  for (const secret of [...warm, ...sets.map(({ ending }) => ending.secret)]) {
    await Promise.all(world.baseUrls.map((baseUrl) => useWithRetries(world, baseUrl, secret)))
  }
  const reports: Promise<LoadReport>[] = []
  for (const [index, load] of loads.entries()) {
    const set = sets[index]
    if (set === undefined) throw new RangeError('A load has no keys.')
    // A caller for each load, as the calls of the load before may be under way still.
    const caller = await makeManager(world.baseUrls, world.operator, 'tenant')
    const running = startLoad(world.baseUrls, tenantCalls(caller, tenantKeys)[load], atOnce)
    const seen = nothingSeen()
    // The revoked key is watched into the next load: the promise has ten seconds.
    const revoked = revokeAndWatch(world, set.ending)
    const endsAtMs = performance.now() + msPerLoad
    await Promise.all(world.baseUrls.map((baseUrl) => useKeys(world, baseUrl, { warm, set, seen, endsAtMs })))
    const tenant = await running.stop()
    reports.push(
      revoked.then((revocation) => ({
        ...{ load, tenant, ...seen.report(), ...revocation },
        throttled: world.throttled(),
      })),
    )
  }
  return Promise.all(reports)
}

async function makeManager(baseUrls: readonly string[], operator: string, provider: string): Promise<string> {
  const scopes = ['keys:validate', 'keys:read', 'keys:write', 'usage:write']
  const body = { kind: 'management', provider_id: provider, name: provider, scopes }
  return (await generate(baseUrls, operator, body)).secret
}

async function generate(baseUrls: readonly string[], credential: string, body: object) {
  const [baseUrl = ''] = baseUrls
  const { reply } = await callWithRetries(baseUrl, 'POST /auth/keys/generate', { credential, body })
  if (reply.status !== 201) throw new Error(`generate answered ${reply.status} ${reply.text}`)
  const { key, key_id: keyId } = reply.as(NewKeyView)
  return { keyId, secret: key ?? '' }
}

function makeKeys({ baseUrls, operator }: World, provider: string, count: number, fields: object = {}) {
  const body = { provider_id: provider, environment: 'live', name: 'a key', ...fields }
  return pLimit(4).map(Array.from({ length: count }), () => generate(baseUrls, operator, body))
}

async function makeKeySet(world: World): Promise<KeySet> {
  const rate_limits = [{ name: 'burst', limit: LIMIT, window_seconds: 3600, strategy: 'sliding_window' }]
  const [limited] = await makeKeys(world, 'neighbour', 1, { rate_limits })
  const [ending] = await makeKeys(world, 'neighbour', 1)
  if (limited === undefined || ending === undefined) throw new Error('A key was not made.')
  const cold = await makeKeys(world, 'neighbour', 15)
  return { limited: limited.secret, ending, cold: cold.map(({ secret }) => secret) }
}

interface Uses {
  readonly warm: readonly string[]
  readonly set: KeySet
  readonly seen: ReturnType<typeof nothingSeen>
  readonly endsAtMs: number
}

/** Uses the neighbour's keys in turns at one host: a warm one, a cold one while there are any, the limited one. */
async function useKeys(world: World, baseUrl: string, { warm, set, seen, endsAtMs }: Uses): Promise<void> {
  for (let turn = 0; performance.now() < endsAtMs; turn++) {
    seen.use('warm', await use(world, baseUrl, warm[turn % warm.length] ?? ''))
    const cold = turn % 3 === 0 ? set.cold.pop() : undefined
    if (cold !== undefined) seen.use('cold', await use(world, baseUrl, cold))
    seen.use('limited', await use(world, baseUrl, set.limited))
    await wait(PAUSE_MS)
  }
}

interface Use {
  readonly code: string
  readonly sentAtMs: number
  readonly tookMs: number
}

async function use({ neighbour }: World, baseUrl: string, secret: string): Promise<Use> {
  const sentAtMs = performance.now()
  const options = { credential: neighbour, body: { key: secret } }
  const reply = await callApi(baseUrl, 'POST /auth/keys/validate', options)
  const tookMs = performance.now() - sentAtMs
  if (reply.status === 200) return { code: reply.as(ValidationView).code, sentAtMs, tookMs }
  return { code: `${reply.status} ${JSON.parse(reply.text).code}`, sentAtMs, tookMs }
}

async function useWithRetries({ neighbour }: World, baseUrl: string, secret: string): Promise<void> {
  await callWithRetries(baseUrl, 'POST /auth/keys/validate', { credential: neighbour, body: { key: secret } })
}

/** Revokes a key at the first host and uses it at the others, until all refuse it or the promise is broken. */
async function revokeAndWatch(world: World, { keyId, secret }: KeySet['ending']) {
  const [first = '', ...others] = world.baseUrls
  await wait(REVOKE_AFTER_MS)
  const options = { credential: world.operator, body: { reason: 'policy' } }
  const { status } = await callApi(first, `POST /auth/keys/${keyId}/revoke`, options)
  const repliedAtMs = performance.now()
  const lasts = await Promise.all(
    others.map(async (baseUrl) => {
      let lastMs = 0
      for (let code = ''; code !== 'REVOKED' && performance.now() - repliedAtMs < 2 * PROMISED_MS; await wait(250)) {
        const used = await use(world, baseUrl, secret)
        code = used.code
        if (code === 'VALID') lastMs = used.sentAtMs - repliedAtMs
      }
      return lastMs
    }),
  )
  return { revokeStatus: status, lastAcceptedMs: Math.max(...lasts) }
}

function nothingSeen() {
  const neighbour: Record<string, number> = {}
  const latenciesMs: number[] = []
  let taken = 0
  return {
    use(kind: 'warm' | 'cold' | 'limited', { code, tookMs }: Use): void {
      const name = `${kind} ${code}`
      neighbour[name] = (neighbour[name] ?? 0) + 1
      latenciesMs.push(tookMs)
      if (kind === 'limited' && code === 'VALID') taken++
    },
    report: () => ({ neighbour, latenciesMs, taken }),
  }
}
