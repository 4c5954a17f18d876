import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { NewKeyView } from '../../../shared/contracts/keys.ts'
import { KeyUsageView, PushStatusView, PushView, ReconciliationView } from '../../../shared/contracts/usage.ts'
import { BatchValidationView, ValidationView } from '../../../shared/contracts/validate.ts'
import { type CallOptions, callApi, type Reply } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { seededRandom } from '../samples/random.ts'
import { startAzurite } from './azurite.ts'
import { type FaultRates, noFaults } from './fault-proxy.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { spooledBytes } from './spooled-bytes.ts'
import { roughWeather, startStorageProxies } from './storage-proxies.ts'
import { countMessages } from './store-contents.ts'
import { makeTestSettings } from './test-settings.ts'
import { type Comparison, type UseLedger, useLedger } from './use-ledger.ts'

export interface KillRunOptions {
  readonly seed: number
  readonly hosts: number
  readonly durability: 'strict' | 'local'
  /** How long the load and the kills last. */
  readonly loadMs: number
  /** The mean pause between two kills. */
  readonly killEveryMs: number
  /** Callers that validate, and callers that push, each sequentially. */
  readonly validators: number
  readonly pushers: number
  readonly eventsPerPush: number
  /** The longest time from the end of the load until all uses are counted. */
  readonly drainMs: number
}

export interface KillReport extends Comparison {
  readonly seed: number
  readonly attempted: number
  readonly acknowledged: number
  readonly pushes: number
  /** Pushed batches whose status does not report all uses as applied. */
  readonly pushesWrong: number
  readonly kills: number
  readonly faults: FaultRates
  /** How long it took to count the uses outstanding at the end of the load. */
  readonly drainedInMs: number
  readonly reconciliation: ReconciliationView
  readonly exits: readonly (number | NodeJS.Signals)[]
}

interface TestKey {
  readonly keyId: string
  readonly secret: string
}

interface Run {
  readonly options: KillRunOptions
  readonly fleet: Fleet
  /** The folder of the SQLite files, shared by all hosts. */
  readonly disk: string
  readonly adminKey: string
  readonly ledger: UseLedger
  readonly random: () => number
  readonly call: (request: `${string} /${string}`, options?: CallOptions) => Promise<Reply>
  readonly endsAtMs: number
}

const KEYS_PER_KIND = 8
const CALL_TIMEOUT_MS = 15_000
const KEYS_PER_BATCH = 25
/** Long enough to count a message despite the faults, short enough to wait for messages leased to killed hosts. */
const LEASE_SECONDS = '8'
const REDRIVE_EVERY_MS = 5000

/**
 * Hosts over one store count validations and pushes, while they are SIGKILLed at random and every request to the store
 * may be cut, lost, refused or late. The store itself is never killed: it is in memory.
 */
export async function runKillTest(options: KillRunOptions): Promise<KillReport> {
  const azurite = await startAzurite()
  const proxies = await startStorageProxies(azurite, options.seed)
  const settings = makeTestSettings(options.durability)
  const disk = await mkdtemp(join(tmpdir(), 'auth-api-disk-'))
  const fleet = await startFleet(options.hosts, {
    ...settings,
    AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString,
    DB_PATH: disk,
    LOCAL_QUEUE_LEASE_SECONDS: LEASE_SECONDS,
    USAGE_LEASE_SECONDS: LEASE_SECONDS,
  })
  try {
    const random = seededRandom(options.seed)
    const call: Run['call'] = (request, callOptions) =>
      callApi(fleet.pick(random()).baseUrl, request, {
        credential: settings.ADMIN_KEY,
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
        ...callOptions,
      })
    const [validated, pushed, both] = await Promise.all([makeKeys(call), makeKeys(call), makeKeys(call)])
    const run: Run = {
      options,
      fleet,
      disk,
      adminKey: settings.ADMIN_KEY,
      ledger: useLedger(),
      random,
      call,
      endsAtMs: Date.now() + options.loadMs,
    }

    proxies.setRates(roughWeather)
    const batchIds = await runLoad(run, [...validated, ...both], [...pushed, ...both])
    const drainedInMs = await drain(run, azurite.connectionString)
    const faults = proxies.faults()
    proxies.setRates(noFaults)

    const counted = new Map<string, number>()
    for (const { keyId } of [...validated, ...pushed, ...both]) {
      counted.set(keyId, (await call(`GET /auth/keys/${keyId}/usage`)).as(KeyUsageView).totals.total)
    }
    return {
      seed: options.seed,
      ...run.ledger.totals(),
      ...run.ledger.compare(counted),
      pushes: batchIds.length,
      pushesWrong: await countWrongPushes(run, batchIds),
      kills: fleet.kills(),
      faults,
      drainedInMs,
      reconciliation: (await call('GET /auth/usage/reconciliation')).as(ReconciliationView),
      exits: await fleet.stop(),
    }
  } finally {
    await fleet.stop()
    await proxies.close()
    await azurite.stop()
    await rm(disk, { recursive: true, force: true })
  }
}

async function makeKeys(call: Run['call']): Promise<readonly TestKey[]> {
  const make = async () => {
    const body = { provider_id: 'acme', environment: 'live', name: 'k' }
    const made = (await call('POST /auth/keys/generate', { body })).as(NewKeyView)
    return { keyId: made.key_id, secret: made.key ?? '' }
  }
  return Promise.all(Array.from({ length: KEYS_PER_KIND }, make))
}

/** Resolves to the ids of the pushed batches once all are accepted and the last host is back. */
async function runLoad(run: Run, validated: readonly TestKey[], pushed: readonly TestKey[]): Promise<string[]> {
  const { validators, pushers } = run.options
  const validating = Array.from({ length: validators }, () => validate(run, validated))
  const pushing = Array.from({ length: pushers }, (_, pusher) => push(run, pusher, pushed))
  const [batchIds] = await Promise.all([Promise.all(pushing), killHosts(run), ...validating])
  return batchIds.flat()
}

async function killHosts({ fleet, options, random, endsAtMs }: Run): Promise<void> {
  const returning: Promise<void>[] = []
  while (Date.now() < endsAtMs) {
    await setTimeout(options.killEveryMs * (0.5 + random()))
    const back = fleet.killOne(random())
    if (back !== undefined) returning.push(back)
  }
  await Promise.all(returning)
}

/** Only a verdict acknowledges a use: a 503 or a cut connection promises nothing. */
async function validate(run: Run, keys: readonly TestKey[]): Promise<void> {
  const { ledger, random, endsAtMs } = run
  while (Date.now() < endsAtMs) {
    const used = Array.from({ length: random() < 0.5 ? 1 : KEYS_PER_BATCH }, () => pick(keys, random))
    const verdicts = await validateAll(run, used).catch(() => undefined)
    for (const { keyId } of used) ledger.validation(keyId, verdicts !== undefined)
    if (verdicts?.some((code) => code !== 'VALID')) throw new Error(`A good key was refused: ${verdicts}`)
    if (verdicts === undefined) await setTimeout(20)
  }
}

/** The verdicts on all keys; undefined when the service returned none. */
async function validateAll({ call, random }: Run, keys: readonly TestKey[]): Promise<readonly string[] | undefined> {
  const requests = keys.map(({ secret }) => ({ key: secret, endpoint: `GET /${Math.floor(random() * 5)}` }))
  if (requests.length === 1) {
    const reply = await call('POST /auth/keys/validate', { body: requests[0] })
    return reply.status === 200 ? [reply.as(ValidationView).code] : undefined
  }
  const reply = await call('POST /auth/keys/batch/validate', { body: { requests } })
  return reply.status === 200 ? reply.as(BatchValidationView).results.map(({ code }) => code) : undefined
}

async function push(run: Run, pusher: number, keys: readonly TestKey[]): Promise<readonly string[]> {
  const batchIds: string[] = []
  while (Date.now() < run.endsAtMs) {
    const batchId = `batch-${pusher}-${String(batchIds.length + 1).padStart(5, '0')}`
    await pushUntilAccepted(run, batchId, keys)
    batchIds.push(batchId)
  }
  return batchIds
}

/** Retries a batch until a host accepts it: after a cut connection it may be stored already. */
async function pushUntilAccepted({ call, ledger, random, options }: Run, batchId: string, keys: readonly TestKey[]) {
  const uses = new Map<string, number>()
  const events = Array.from({ length: options.eventsPerPush }, () => {
    const { keyId } = pick(keys, random)
    uses.set(keyId, (uses.get(keyId) ?? 0) + 1)
    // Up to a day old, so that the uses spread over two days and all hours.
    const at = new Date(Date.now() - random() * 86_400_000).toISOString()
    return { key_id: keyId, at, endpoint: `GET /${Math.floor(random() * 5)}`, status: random() < 0.1 ? 500 : 200 }
  })
  const send = async () => {
    const path = 'POST /auth/keys/batch/usage?provider_id=acme' as const
    const reply = await call(path, { body: { batch_id: batchId, events } }).catch(() => undefined)
    if (reply !== undefined && reply.status < 500 && reply.status !== 202) throw new Error(reply.text)
    return reply?.status === 202 && reply
  }
  const accepted = (await poll(send, options.loadMs + options.drainMs)).as(PushView)
  if (accepted.accepted !== events.length) throw new Error(`Accepted ${accepted.accepted} of ${events.length}.`)
  ledger.push(uses)
}

async function countWrongPushes({ call, options }: Run, batchIds: readonly string[]): Promise<number> {
  let wrong = 0
  await call('POST /admin/functions/usage-roll-up', { body: { input: '' } })
  for (const batchId of batchIds) {
    const ask = async () => (await call(`GET /auth/keys/batch/usage/${batchId}?provider_id=acme`)).as(PushStatusView)
    const status = await poll(async () => [await ask()].find((one) => one.status === 'completed'), 90_000)
    if (status.applied !== options.eventsPerPush) wrong++
  }
  return wrong
}

/** Waits until all spools and queues are empty. Redrives poison messages, whose deliveries the kills used up. */
async function drain(run: Run, connectionString: string): Promise<number> {
  const { call, options, fleet, disk, adminKey } = run
  const startedAtMs = Date.now()
  let redrivenAtMs = 0
  await poll(async () => {
    if (Date.now() - redrivenAtMs > REDRIVE_EVERY_MS) {
      await call('POST /admin/functions/usage-poison-redrive')
      redrivenAtMs = Date.now()
    }
    return (await spooledBytes(fleet.hosts(), disk, adminKey)) === 0 && (await countMessages(connectionString)) === 0
  }, options.drainMs)
  return Date.now() - startedAtMs
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}
