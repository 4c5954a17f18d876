import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { NewKeyView } from '../../../shared/contracts/keys.ts'
import { KeyUsageView, PushStatusView, ReconciliationView } from '../../../shared/contracts/usage.ts'
import { callApi } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { seededRandom } from '../samples/random.ts'
import { startAzurite } from './azurite.ts'
import { type FaultRates, noFaults } from './fault-proxy.ts'
import { startFleet } from './fleet.ts'
import { type KillRunOptions, push, type Run, type TestKey, validate } from './kill-load.ts'
import { spooledBytes } from './spooled-bytes.ts'
import { roughWeather, startStorageProxies } from './storage-proxies.ts'
import { countMessages } from './store-contents.ts'
import { makeTestSettings } from './test-settings.ts'
import { type Comparison, useLedger } from './use-ledger.ts'

export interface KillReport extends Comparison {
  readonly seed: number
  readonly attempted: number
  readonly acknowledged: number
  readonly pushes: number
  /** Pushed batches whose status does not report all uses as applied. */
  readonly pushesWrong: number
  readonly kills: number
  /** Verdicts that said `degraded`: their uses may be lost with a disk, and do not count as acknowledged. */
  readonly degraded: number
  /** Disks that were deleted after their hosts had answered for uses. */
  readonly disksLost: number
  /** Kills that took the disk along, also of hosts that had answered nothing by it. */
  readonly disksTaken: number
  readonly faults: FaultRates
  /** How long it took to count the uses outstanding at the end of the load. */
  readonly drainedInMs: number
  readonly reconciliation: ReconciliationView
  readonly exits: readonly (number | NodeJS.Signals)[]
}

const KEYS_PER_KIND = 8
const CALL_TIMEOUT_MS = 15_000
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
  const own = (host: number) => join(disk, options.diskLossShare > 0 ? String(host) : 'shared')
  const disks = Array.from({ length: options.hosts }, (_, host) => own(host))
  const env = {
    ...{ ...settings, AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString },
    ...{ LOCAL_QUEUE_LEASE_SECONDS: LEASE_SECONDS, USAGE_LEASE_SECONDS: LEASE_SECONDS },
  }
  const fleet = await startFleet(options.hosts, env, disks)
  try {
    const random = seededRandom(options.seed)
    const call: Run['call'] = (request, callOptions, baseUrl = fleet.pick(random()).baseUrl) =>
      callApi(baseUrl, request, {
        credential: settings.ADMIN_KEY,
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
        ...callOptions,
      })
    const [validated, pushed, both] = await Promise.all([makeKeys(call), makeKeys(call), makeKeys(call)])
    const run: Run = {
      options,
      fleet,
      disks: new Set(disks),
      ...{ answered: new Set<string>(), tally: { degraded: 0, disksLost: 0, disksTaken: 0 } },
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
      ...run.tally,
      faults,
      drainedInMs,
      reconciliation: await reconcile(run),
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

async function killHosts({ fleet, options, random, endsAtMs, answered, tally }: Run): Promise<void> {
  const returning: Promise<void>[] = []
  for (let owed = 0; Date.now() < endsAtMs; ) {
    await setTimeout(options.killEveryMs * (0.5 + random()))
    owed += options.diskLossShare
    const takesDisk = owed >= 1
    const killed = fleet.killOne(random(), takesDisk)
    if (killed === undefined) continue
    if (takesDisk) owed--
    if (takesDisk) tally.disksTaken++
    if (takesDisk && answered.has(killed.host.baseUrl)) tally.disksLost++
    returning.push(killed.back)
  }
  await Promise.all(returning)
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

/**
 * Asks for the reconciliation until no more spools are open than those of the running hosts and of the disks that were
 * taken, for 90 s at most: a process that adopted a spool closes it with its next report, perhaps after a failed one.
 */
async function reconcile({ call, options, tally }: Run): Promise<ReconciliationView> {
  const ask = async () => (await call('GET /auth/usage/reconciliation')).as(ReconciliationView)
  const isSettled = ({ spools }: ReconciliationView) => spools.length <= tally.disksTaken + options.hosts
  return poll(async () => [await ask()].find(isSettled), 90_000).catch(ask)
}

/** Waits until all spools and queues are empty. Redrives poison messages, whose deliveries the kills used up. */
async function drain(run: Run, connectionString: string): Promise<number> {
  const { call, options, fleet, disks, adminKey } = run
  const startedAtMs = Date.now()
  let redrivenAtMs = 0
  await poll(async () => {
    if (Date.now() - redrivenAtMs > REDRIVE_EVERY_MS) {
      await call('POST /admin/functions/usage-poison-redrive')
      redrivenAtMs = Date.now()
    }
    return (await spooledBytes(fleet.hosts(), disks, adminKey)) === 0 && (await countMessages(connectionString)) === 0
  }, options.drainMs)
  return Date.now() - startedAtMs
}
