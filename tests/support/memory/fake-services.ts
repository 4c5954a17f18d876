import { randomBytes } from 'node:crypto'
import type { Services } from '../../../shared/app/services.ts'
import { encodeRevocationMessage, parseRevocationMessage } from '../../../shared/contracts/revocation-message.ts'
import {
  encodeUsageMessage,
  eraseInUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from '../../../shared/contracts/usage-message.ts'
import { keyLookup } from '../../../shared/operations/key-cache/key-lookup.ts'
import { keyDigests } from '../../../shared/operations/key-digests.ts'
import { pepperCheck } from '../../../shared/operations/keys/check-peppers.ts'
import { keyQuotas } from '../../../shared/operations/keys/key-quotas.ts'
import { rehashKeys } from '../../../shared/operations/keys/rehash-keys.ts'
import { bypassLimit } from '../../../shared/operations/limits/bypass-limit.ts'
import { failureLimits } from '../../../shared/operations/limits/failure-limits.ts'
import { inFlightLimits } from '../../../shared/operations/limits/in-flight.ts'
import { limiter } from '../../../shared/operations/limits/limiter.ts'
import { readinessCheck } from '../../../shared/operations/maintenance/check-readiness.ts'
import { watchGauges } from '../../../shared/operations/maintenance/watch-gauges.ts'
import { localSpool } from '../../../shared/operations/spool/local-spool.ts'
import { usageAggregator } from '../../../shared/operations/usage/aggregate-usage.ts'
import { usageConsumer } from '../../../shared/operations/usage/consume-usage.ts'
import { queueRecorder } from '../../../shared/operations/usage/queue-recorder.ts'
import type { RevocationCodec } from '../../../shared/ports/keys.ts'
import type { Breaker } from '../../../shared/ports/meter.ts'
import type { Clock, Log, Random } from '../../../shared/ports/runtime.ts'
import type { UsageCodec } from '../../../shared/ports/usage.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { processUsage } from '../../../shared/runtime/process-usage.ts'
import { type ManualTime, manualTime } from './manual-time.ts'
import { memoryChangeFeed } from './memory-change-feed.ts'
import { type MemoryErasureStore, memoryErasureStore } from './memory-erasure-store.ts'
import { memoryEventIds } from './memory-event-ids.ts'
import { memoryIdempotencyStore } from './memory-idempotency-store.ts'
import { memoryKeyCountStore } from './memory-key-count-store.ts'
import { memoryKeyStore } from './memory-key-store.ts'
import { memoryLimitStore } from './memory-limit-store.ts'
import { type MemoryMessageQueue, memoryMessageQueue } from './memory-message-queue.ts'
import { memoryPepperStore } from './memory-pepper-store.ts'
import { type MemoryPoisonStore, memoryPoisonStore } from './memory-poison-store.ts'
import { memoryProviderStore } from './memory-provider-store.ts'
import { memoryPushedMessages, memoryPushStore, type StoredPush } from './memory-push-store.ts'
import { memorySpool } from './memory-spool.ts'
import { memoryUsageBoots } from './memory-usage-boots.ts'
import { memoryLateUsage, memoryUsageLedger } from './memory-usage-ledger.ts'
import { memoryRollUpMarks, memoryUsageReports } from './memory-usage-reports.ts'
import { noReplica } from './no-replica.ts'

export const adminKey: string = 'the-admin-key-of-the-tests-0123456789'

export interface FakeServices extends Services {
  readonly time: ManualTime
  readonly queue: MemoryMessageQueue
  readonly keyEvents: MemoryMessageQueue
  readonly keyEventsPoison: MemoryMessageQueue
  readonly poisoned: MemoryPoisonStore
  readonly erasures: MemoryErasureStore
}

type Stores = Pick<FakeServices, 'keys' | 'providers' | 'feed' | 'idempotency' | 'pushes' | 'queue' | 'keyEvents'>

/** Wraps stores in memory: to count their calls, delay them or make them fail. */
type Wrap = (stores: Stores) => Partial<Stores>

const codec: UsageCodec = {
  encode: encodeUsageMessage,
  parse: parseUsageMessage,
  measure: measureUsageDelta,
  erase: eraseInUsageMessage,
  raiseRedrives: raiseUsageRedrives,
}

const revocationCodec: RevocationCodec = { encode: encodeRevocationMessage, parse: parseRevocationMessage }

// The clock stands still in most tests, so a limit per minute would soon be exhausted: a test of limits sets its own.
const UNLIMITED = { perCaller: 1_000_000_000, perAddress: 1_000_000_000 }

const cacheNeeds = { replica: noReplica, staleIfErrorMs: 900_000 }

const discard: Log = () => undefined

/**
 * The services as `compose` makes them, with the real operations over stores in memory and a clock that only the test
 * moves. Ids are numbered, secrets are random.
 */
export function fakeServices(wrap: Wrap = () => ({})): FakeServices {
  const time = manualTime()
  const { clock, scheduler } = time
  const pushed = new Map<string, StoredPush>()
  const [pushes, boots, reports] = [memoryPushStore(pushed), memoryUsageBoots(), memoryUsageReports()]
  const ledger = memoryUsageLedger()
  const plain = {
    ...{ keys: memoryKeyStore(), providers: memoryProviderStore(), feed: memoryChangeFeed(clock) },
    ...{ idempotency: memoryIdempotencyStore(), keyCounts: memoryKeyCountStore(), pepperStore: memoryPepperStore() },
    ...{ pushes, ...memoryQueues(clock) },
  }
  const stores = {
    ...{ ...plain, ...wrap(plain) },
    ...{ poisoned: memoryPoisonStore(), erasures: memoryErasureStore(), pushedMessages: memoryPushedMessages(pushed) },
    ...{ ledger, months: ledger, late: memoryLateUsage() },
    ...{ reports, copies: reports, marks: memoryRollUpMarks(), journal: pushes, boots, bootJournal: boots },
  }
  const lanes = lanesOf({ ...stores, reports })
  const digests = keyDigests([{ version: 'p1', bytes: randomBytes(32) }])
  const [jitter, log] = [() => 1, discard]
  const aggregator = usageAggregator({ ...stores, clock, scheduler, jitter })
  const metrics = openMetrics({ worker: 'tests' })
  const { meter } = metrics
  const limits = limiter({ store: memoryLimitStore(clock), clock, scheduler, meter, log, jitter, writer: 'tests' })
  const rehash = rehashKeys({ ...stores, clock, log })
  const lookup = keyLookup({ ...stores, ...cacheNeeds, digests, clock, scheduler, log, meter, rehash }, 1000)
  const spool = memorySpool()
  const local = localSpool({
    ...{ ...stores, ...lanes, keyLookup: lookup, codec, hashIp: digests.ofAddress, clock, scheduler, log, jitter },
    ...{ open: () => spool, orphaned: { visit: async () => undefined } },
    ...{ producer: 'tests.LOCAL', intervalMs: 5000, meter },
    strict: () => {
      throw new Error('The spool in memory never fails.')
    },
  })
  const guards: readonly Breaker[] = []
  const pepperVersions = ['p1']
  const peppers = pepperCheck({ ...stores, pepperVersions, newestPepper: 'p1', clock, scheduler, log })
  const watched = { ...stores, limiter: limits, keyLookup: lookup, localSpool: local, guards, pepperCheck: peppers }
  watchGauges(metrics.meter, 'tests', { ...watched, process: processUsage() })
  return {
    ...{ ...stores, ...lanes, hotIdempotency: stores.idempotency, erasing: stores },
    ...{ time, codec, revocationCodec, clock, scheduler, log, digests, aggregator, random: numberedIds() },
    ...{ keyLookup: lookup, pepperVersions, pepperCheck: peppers },
    limiter: limits,
    keyQuotas: keyQuotas({ ...stores, limiter: limits, clock, scheduler, jitter, log }),
    failures: failureLimits({ limiter: limits, hashIp: digests.ofAddress, clock, scheduler, log }, UNLIMITED),
    ...{ bypasses: bypassLimit(clock), inFlight: inFlightLimits(1000) },
    managementLimit: { limit: UNLIMITED.perCaller, windowSeconds: 60, strategy: 'sliding_window' },
    localSpool: local,
    pendingRevocations: local.pendingRevocations,
    usage: queueRecorder({
      ...{ queue: stores.queue, codec, clock, scheduler, log, jitter, meter: metrics.meter },
      hashIp: digests.ofAddress,
      durability: 'strict',
      instance: 'tests',
      boot: 'BOOT',
    }),
    consumer: usageConsumer({ ...stores, aggregator, codec, pushLog: pushes, clock, log, meter: metrics.meter }),
    ...{ usageRetentionMonths: 25, sweepers: {}, background: [], guards },
    readiness: readinessCheck({ ...watched, clock, scheduler, keepsLocalFiles: true }),
    metrics,
    tokens: undefined,
    ...{ clientIpSource: { kind: 'direct' }, corsOrigins: [], settingWarnings: [] },
    cursorKeys: digests.deriveAll('cursor'),
    isAdminKey: (credential) => credential === adminKey,
  }
}

function memoryQueues(clock: Clock) {
  return {
    queue: memoryMessageQueue(clock),
    poison: memoryMessageQueue(clock),
    keyEvents: memoryMessageQueue(clock),
    keyEventsPoison: memoryMessageQueue(clock),
  }
}

/** All lanes lead to the same stores. */
function lanesOf({ keys, providers, reports, pushes, queue }: Stores & Pick<Services, 'reports'>) {
  const pushing = { keys, pushes, queue, eventIds: memoryEventIds() }
  return { ending: { keys, providers, reports }, pushing }
}

function numberedIds(): Random {
  let made = 0
  return { bytes: (size) => randomBytes(size), id: () => `01K${String(++made).padStart(23, '0')}` }
}
