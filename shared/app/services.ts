import type { RateLimit } from '../domain/keys/key.ts'
import type { KeyLookup } from '../operations/key-cache/key-lookup.ts'
import type { KeyDigests } from '../operations/key-digests.ts'
import type { PepperCheck } from '../operations/keys/check-peppers.ts'
import type { KeyQuotas } from '../operations/keys/key-quotas.ts'
import type { BypassLimit } from '../operations/limits/bypass-limit.ts'
import type { FailureLimits } from '../operations/limits/failure-limits.ts'
import type { InFlightLimits } from '../operations/limits/in-flight.ts'
import type { ReadinessCheck } from '../operations/maintenance/check-readiness.ts'
import type { LocalSpool } from '../operations/spool/local-spool.ts'
import type { UsageAggregator } from '../operations/usage/aggregate-usage.ts'
import type { UsageConsumer } from '../operations/usage/consume-usage.ts'
import type { BufferedRecorder } from '../operations/usage/queue-recorder.ts'
import type { TokenVerifier } from '../ports/access.ts'
import type { ErasureStore } from '../ports/erasures.ts'
import type { IdempotencyStore } from '../ports/idempotency.ts'
import type {
  ChangeFeed,
  KeyStore,
  PepperStore,
  ProviderStore,
  RevocationCodec,
  RevocationSpool,
} from '../ports/keys.ts'
import type { Limiter } from '../ports/limits.ts'
import type { Breaker } from '../ports/meter.ts'
import type { PoisonStore } from '../ports/poison.ts'
import type { MessageQueue } from '../ports/queue.ts'
import type { Background, Clock, Log, Random, Scheduler } from '../ports/runtime.ts'
import type { Sweeper } from '../ports/store.ts'
import type { LateUsage, UsageCodec, UsageLedger, UsageMonths } from '../ports/usage.ts'
import type { BootJournal } from '../ports/usage-boots.ts'
import type {
  EventIds,
  PushedMessages,
  PushJournal,
  PushStore,
  RollUpMarks,
  UsageCopies,
  UsageReports,
} from '../ports/usage-reports.ts'
import type { ClientIpSource } from '../runtime/config.ts'
import type { Metrics } from '../runtime/metrics.ts'

/** Everything that an operation may touch. */
export interface Services {
  readonly keys: KeyStore
  readonly providers: ProviderStore
  readonly idempotency: IdempotencyStore
  /** The same, with the short deadlines of validation. */
  readonly hotIdempotency: IdempotencyStore
  /** Receives every change of a key or a provider. */
  readonly feed: ChangeFeed
  /** The stores for changes that end keys: no other calls can take their places. */
  readonly ending: { readonly keys: KeyStore; readonly providers: ProviderStore; readonly reports: UsageReports }
  readonly erasures: ErasureStore
  /** The stores for the erasure of usage data: it spends what other calls leave over. */
  readonly erasing: {
    readonly erasures: ErasureStore
    readonly poisoned: PoisonStore
    readonly keys: KeyStore
    readonly pushedMessages: PushedMessages
  }
  /** The stores for usage pushes: they spend what other calls leave over. */
  readonly pushing: {
    readonly keys: KeyStore
    readonly pushes: PushStore
    readonly eventIds: EventIds
    readonly queue: MessageQueue
  }
  readonly keyLookup: KeyLookup
  readonly usage: BufferedRecorder
  /** The uses and revocations that wait on the local disk. */
  readonly localSpool: LocalSpool
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
  /** `key-events`: the revocations that wait for the store. */
  readonly keyEvents: MessageQueue
  /** `key-events-poison`. */
  readonly keyEventsPoison: MessageQueue
  readonly revocationCodec: RevocationCodec
  readonly limiter: Limiter
  readonly failures: FailureLimits
  readonly bypasses: BypassLimit
  /** How much work each caller has in flight on this instance. */
  readonly inFlight: InFlightLimits
  readonly keyQuotas: KeyQuotas
  /** The rate limit per caller and endpoint of the management API. */
  readonly managementLimit: Omit<RateLimit, 'name'>
  readonly aggregator: UsageAggregator
  readonly consumer: UsageConsumer
  /** `usage-events`. */
  readonly queue: MessageQueue
  /** `usage-events-poison`. */
  readonly poison: MessageQueue
  /** The usage messages that are set aside. */
  readonly poisoned: PoisonStore
  readonly codec: UsageCodec
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly months: UsageMonths
  readonly usageRetentionMonths: number
  readonly reports: UsageReports
  readonly copies: UsageCopies
  readonly marks: RollUpMarks
  readonly pushes: PushStore
  readonly journal: PushJournal
  readonly bootJournal: BootJournal
  /** By table: removes rows that no reader needs any more. */
  readonly sweepers: Readonly<Record<string, Sweeper>>
  readonly digests: KeyDigests
  readonly pepperStore: PepperStore
  /** The versions of the peppers in the settings. */
  readonly pepperVersions: readonly string[]
  readonly pepperCheck: PepperCheck
  /** Undefined where no Entra ID token is accepted. */
  readonly tokens: TokenVerifier | undefined
  /** Where the address of a caller is read from. */
  readonly clientIpSource: ClientIpSource
  /** The origins whose web pages may call this API. */
  readonly corsOrigins: readonly string[]
  /** One line per name in the environment that looks like a setting and is none. */
  readonly settingWarnings: readonly string[]
  /** Sign the cursors of listings: the first signs, each verifies. */
  readonly cursorKeys: readonly Uint8Array[]
  readonly isAdminKey: (credential: string) => boolean
  /** The circuit breakers before the dependencies. */
  readonly guards: readonly Breaker[]
  readonly readiness: ReadinessCheck
  /** Background work: started with the first call, stopped with the app. */
  readonly background: readonly Background[]
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: Random
  /** The metrics of this instance. */
  readonly metrics: Metrics
  /** For events outside any invocation. */
  readonly log: Log
}
