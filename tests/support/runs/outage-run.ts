import { setTimeout } from 'node:timers/promises'
import { KeyView } from '../../../shared/contracts/keys.ts'
import { KeyUsageView } from '../../../shared/contracts/usage.ts'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi, type Reply } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { seededRandom } from '../samples/random.ts'
import { makeTemporaryFolder } from '../samples/temporary-folder.ts'
import { type Call, makeOutageKeys, type OutageKey } from '../worlds/outage-world.ts'
import { startAzurite, type TestAzurite } from './azurite.ts'
import { type LocalHost, startLocalHost } from './local-host.ts'
import type { Outage } from './outage.ts'
import { nothingSeen, runLoad, type Seen } from './outage-load.ts'
import { type StorageProxies, startStorageProxies } from './storage-proxies.ts'
import { countMessages } from './store-contents.ts'
import { makeTestSettings } from './test-settings.ts'
import { type Comparison, useLedger } from './use-ledger.ts'

/** One state of the store and its duration. */
export interface OutageStep {
  readonly name: string
  readonly tables: Outage | null
  readonly queues: Outage | null
  /** Azurite is stopped (SIGSTOP) for the step and continued after it. */
  readonly stopped?: boolean
  readonly lastsMs: number
  /** The host is SIGKILLed halfway through the step and restarted at once. */
  readonly killed?: boolean
  /** A key is revoked after a third of the step: `pending` where the tables are down and the queue is up. */
  readonly revokes?: boolean
}

export interface OutageRunOptions {
  readonly seed: number
  readonly steps: readonly OutageStep[]
  readonly perKind: number
  readonly callers: number
  /** When the expiring keys expire, from the start. */
  readonly expireAfterMs: number
  readonly drainMs: number
}

export interface OutageReport extends Comparison {
  readonly steps: readonly { readonly name: string; readonly seen: Seen }[]
  /**
   * The status of each revocation, whether the queue was up to take it, whether the key was refused at once, and its
   * status in the store at the end.
   */
  readonly revocations: readonly {
    readonly status: number
    readonly queueIsUp: boolean
    readonly refusedAtOnce: boolean
    readonly stored: string
  }[]
  /** From the end of the last outage until the spool and the queue were empty. */
  readonly drainedInMs: number
  readonly spoolDrainedInMs: number
  readonly attempted: number
  readonly acknowledged: number
}

interface World {
  readonly azurite: TestAzurite
  readonly proxies: StorageProxies
  readonly host: () => LocalHost & { readonly baseUrl: string }
  readonly restart: () => Promise<void>
  readonly call: Call
}

const CALL_TIMEOUT_MS = 15_000
const REPLICATED_WITHIN_MS = 30_000

/** Runs a host over a store that fails step by step, while known and unknown keys are validated. */
export async function runOutage(options: OutageRunOptions): Promise<OutageReport> {
  const cleanUps: (() => Promise<void>)[] = []
  try {
    return await runIn(await startWorld(options.seed, (cleanUp) => cleanUps.unshift(cleanUp)), options)
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

async function startWorld(seed: number, onEnd: (cleanUp: () => Promise<void>) => void): Promise<World> {
  const azurite = await startAzurite()
  onEnd(azurite.stop)
  const proxies = await startStorageProxies(azurite, seed)
  onEnd(proxies.close)
  const settings = makeTestSettings('local')
  const env = {
    ...settings,
    AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString,
    DB_PATH: await makeTemporaryFolder(onEnd),
    LOCAL_QUEUE_LEASE_SECONDS: '8',
    USAGE_LEASE_SECONDS: '8',
  }
  const start = () => startLocalHost({ env, args: ['--quiet'] })
  let host = await start()
  onEnd(async () => {
    host.kill('SIGKILL')
    await host.exited
  })
  return {
    azurite,
    proxies,
    host: () => host,
    restart: async () => {
      host.kill('SIGKILL')
      await host.exited
      host = await start()
    },
    call: (request, callOptions) =>
      callApi(host.baseUrl, request, {
        credential: settings.ADMIN_KEY,
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
        ...callOptions,
      }),
  }
}

async function runIn(world: World, options: OutageRunOptions): Promise<OutageReport> {
  const { call } = world
  const random = seededRandom(options.seed)
  const keys = await makeOutageKeys(call, options.perKind, Date.now() + options.expireAfterMs)
  const victims = await makeOutageKeys(call, 1, Date.now() + 3_600_000)
  const ledger = useLedger()
  for (const key of [...keys, ...victims]) await warmUp(call, key, ledger)
  await poll(async () => (await readGauge(call, 'auth_api_replica_keys')) >= keys.length, REPLICATED_WITHIN_MS)

  const steps: { name: string; seen: Seen }[] = []
  const revocations: OutageReport['revocations'][number][] = []
  let lasts = true
  const before = nothingSeen()
  const seen = () => steps.at(-1)?.seen ?? before
  const load = runLoad({ call, keys, ledger, random, seen, lasts: () => lasts }, options.callers)
  const revoked: string[] = []
  for (const step of options.steps) {
    const victim = victims.filter(({ keyId }) => !revoked.includes(keyId))[0]
    await enterStep(world, step)
    steps.push({ name: step.name, seen: nothingSeen() })
    if (step.revokes === true && victim !== undefined) {
      await setTimeout(step.lastsMs / 3)
      revoked.push(victim.keyId)
      const queueIsUp = step.queues === null && step.stopped !== true
      revocations.push({ ...(await revoke(call, victim)), queueIsUp })
      await setTimeout(step.lastsMs / 6)
    } else await setTimeout(step.lastsMs / 2)
    if (step.killed === true) await world.restart()
    await setTimeout(step.lastsMs / 2)
  }
  await enterStep(world, { name: 'over', tables: null, queues: null, lastsMs: 0 })
  lasts = false
  const endedAtMs = Date.now()
  await load
  const drained = await drain(world, options.drainMs, endedAtMs)
  const counted = await countUses(call, [...keys, ...victims])
  return {
    steps,
    revocations: await Promise.all(
      revocations.map(async (one, index) => {
        const view = (await retryUntilUp(() => call(`GET /auth/keys/${revoked[index]}`))).as(KeyView)
        return { ...one, stored: view.status }
      }),
    ),
    ...drained,
    ...ledger.totals(),
    ...ledger.compare(counted),
  }
}

/** Puts the store into the step's state, and ends the previous step's. */
async function enterStep({ azurite, proxies }: World, { tables, queues, stopped }: OutageStep): Promise<void> {
  process.kill(azurite.pid, stopped === true ? 'SIGSTOP' : 'SIGCONT')
  await Promise.all([proxies.tables.setOutage(tables), proxies.queues.setOutage(queues)])
}

async function warmUp(call: Call, { secret, ask, keyId, rightCodes }: OutageKey, ledger: ReturnType<typeof useLedger>) {
  const view = (await call('POST /auth/keys/validate', { body: { key: secret, ...ask } })).as(ValidationView)
  if (!rightCodes(Date.now(), Date.now()).includes(view.code)) throw new Error(`A new key is ${view.code}.`)
  ledger.validation(keyId, true)
}

async function revoke(call: Call, { keyId, secret, ask }: OutageKey) {
  const { status } = await call(`POST /auth/keys/${keyId}/revoke`, { body: { reason: 'compromised' } })
  const after = await call('POST /auth/keys/validate', { body: { key: secret, ...ask, dry_run: true } })
  return { status, refusedAtOnce: after.status === 200 && after.as(ValidationView).code === 'REVOKED', stored: '' }
}

async function drain({ call, azurite }: World, drainMs: number, sinceMs: number) {
  await poll(async () => (await readGauge(call, 'auth_api_spool_batches')) === 0, drainMs)
  const spoolDrainedInMs = Date.now() - sinceMs
  await poll(async () => (await countMessages(azurite.connectionString)) === 0, drainMs)
  return { spoolDrainedInMs, drainedInMs: Date.now() - sinceMs }
}

async function countUses(call: Call, keys: readonly OutageKey[]): Promise<ReadonlyMap<string, number>> {
  const counted = new Map<string, number>()
  for (const { keyId } of keys) {
    const reply = await retryUntilUp(() => call(`GET /auth/keys/${keyId}/usage`))
    counted.set(keyId, reply.as(KeyUsageView).totals.total)
  }
  return counted
}

/** Retries a 503: a circuit breaker may stay open a moment longer than the outage. */
function retryUntilUp(request: () => Promise<Reply>): Promise<Reply> {
  return poll(async () => {
    const reply = await request()
    return reply.status !== 503 && reply
  })
}

/** NaN while the metric has no value. */
async function readGauge(call: Call, name: string): Promise<number> {
  const { text } = await call('GET /metrics')
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
}
