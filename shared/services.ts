import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { hostname } from 'node:os'
import { ulid } from 'ulid'
import { type Config, parseConfig } from './config.ts'
import {
  encodeUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from './contracts/usage-message.ts'
import { backgroundLog } from './log.ts'
import { type UsageAggregator, usageAggregator } from './operations/aggregate-usage.ts'
import { type UsageConsumer, usageConsumer } from './operations/consume-usage.ts'
import { type KeyDigests, keyDigests } from './operations/key-digests.ts'
import { type KnownKeys, knownKeys } from './operations/known-keys.ts'
import { type BufferedRecorder, usageRecorder } from './operations/record-usage.ts'
import type * as ports from './ports.ts'
import type { PushJournal, PushStore, RollUpMarks, UsageCopies, UsageReports } from './ports-reporting.ts'
import { tableAccess } from './storage/azure-tables.ts'
import { idempotencySweeper } from './storage/idempotency-sweeper.ts'
import { pointerSweeper } from './storage/pointer-sweeper.ts'
import { storageMessageQueue } from './storage/storage-message-queue.ts'
import { tableIdempotencyStore } from './storage/table-idempotency-store.ts'
import { tableKeyStore } from './storage/table-key-store.ts'
import { tableLateUsage } from './storage/table-late-usage.ts'
import { tableProviderStore } from './storage/table-provider-store.ts'
import { tablePushStore } from './storage/table-push-store.ts'
import { tableRollUpMarks } from './storage/table-roll-up-marks.ts'
import { tableUsageLedger } from './storage/table-usage-ledger.ts'
import { tableUsageReports } from './storage/table-usage-reports.ts'

/** Everything that an operation may touch. The one place where ports meet adapters. */
export interface Services {
  readonly keys: ports.KeyStore
  readonly providers: ports.ProviderStore
  readonly idempotency: ports.IdempotencyStore
  readonly knownKeys: KnownKeys
  readonly usage: BufferedRecorder
  readonly aggregator: UsageAggregator
  readonly consumer: UsageConsumer
  /** `usage-events`. */
  readonly queue: ports.MessageQueue
  /** `usage-events-poison`. */
  readonly poison: ports.MessageQueue
  readonly codec: ports.UsageCodec
  readonly ledger: ports.UsageLedger
  readonly late: ports.LateUsage
  readonly reports: UsageReports
  readonly copies: UsageCopies
  readonly marks: RollUpMarks
  readonly pushes: PushStore
  readonly journal: PushJournal
  /** What clears the tables of what nobody reads any more, by name. */
  readonly sweepers: Readonly<Record<string, ports.Sweeper>>
  readonly digests: KeyDigests
  /** Seals the cursors of listings. */
  readonly cursorKey: Uint8Array
  readonly isAdminKey: (credential: string) => boolean
  readonly clock: ports.Clock
  readonly random: ports.Random
  /** For what happens outside any invocation. */
  readonly log: ports.Log
}

const codec: ports.UsageCodec = {
  encode: encodeUsageMessage,
  parse: parseUsageMessage,
  measure: measureUsageDelta,
  raiseRedrives: raiseUsageRedrives,
}
const clock: ports.Clock = { now: () => new Date(), monotonicMs: () => performance.now() }
const random: ports.Random = { bytes: (size) => randomBytes(size), id: () => ulid() }
const scheduler: ports.Scheduler = {
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Opens nothing and sends nothing: clients are made when they are first needed. */
export function compose(config: Config): Services {
  const stores = openStores(config.storageConnectionString)
  const digests = keyDigests(config.peppers)
  const log = backgroundLog
  const jitter = Math.random
  const aggregator = usageAggregator({ ...stores, clock, scheduler, jitter })
  return {
    ...stores,
    ...{ codec, clock, random, log, digests, aggregator },
    knownKeys: knownKeys({ ...stores, digests, clock }),
    usage: usageRecorder({
      ...{ queue: stores.queue, codec, clock, scheduler, log, jitter },
      hashIp: digests.ofAddress,
      durability: config.usageDurability,
      instance: instanceName(),
      boot: ulid(),
    }),
    consumer: usageConsumer({
      ...stores,
      ...{ aggregator, codec, pushLog: stores.pushes, clock, log },
      leaseSeconds: config.usageLeaseSeconds,
    }),
    cursorKey: digests.derive('cursor'),
    isAdminKey: equalsSecret(config.adminKey),
  }
}

function openStores(connectionString: string) {
  const tables = tableAccess({ connectionString })
  const reports = tableUsageReports(tables)
  const pushes = tablePushStore(tables)
  return {
    keys: tableKeyStore(tables),
    providers: tableProviderStore(tables),
    idempotency: tableIdempotencyStore(tables),
    ledger: tableUsageLedger(tables),
    late: tableLateUsage(tables),
    marks: tableRollUpMarks(tables),
    reports,
    copies: reports,
    pushes,
    journal: pushes,
    queue: storageMessageQueue({ connectionString, name: 'usage-events' }),
    poison: storageMessageQueue({ connectionString, name: 'usage-events-poison' }),
    sweepers: {
      idempotency: idempotencySweeper(tables),
      keyids: pointerSweeper(tables, 'keyids'),
      keysbyprovider: pointerSweeper(tables, 'keysbyprovider'),
    },
  }
}

/** Compares digests of equal length, so that time tells neither the secret nor its length. */
function equalsSecret(secret: string): (candidate: string) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = digest(secret)
  return (candidate) => timingSafeEqual(digest(candidate), expected)
}

/** In Azure every instance has a name of its own; elsewhere the machine's will do, since the boot id is unique. */
function instanceName(): string {
  const name = process.env.WEBSITE_INSTANCE_ID ?? hostname()
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 32) || 'instance'
}

let composed: Services | undefined

/** Composed on the first call and kept for the life of the worker. Throws `ConfigError` until the settings are right. */
export function services(): Services {
  composed ??= compose(parseConfig(process.env))
  return composed
}

/** What has been composed so far, if anything: at the end there is nothing to flush where nothing was used. */
export function composedServices(): Services | undefined {
  return composed
}
