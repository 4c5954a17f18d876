import { compose } from './compose.ts'
import { type ClientIpSource, parseConfig } from './config.ts'
import type { RateLimit } from './domain/key.ts'
import type { Metrics } from './metrics.ts'
import type { UsageAggregator } from './operations/aggregate-usage.ts'
import type { ReadinessCheck } from './operations/check-readiness.ts'
import type { UsageConsumer } from './operations/consume-usage.ts'
import type { FailureLimits } from './operations/failure-limits.ts'
import type { KeyDigests } from './operations/key-digests.ts'
import type { KeyQuotas } from './operations/key-quotas.ts'
import type { KnownKeys } from './operations/known-keys.ts'
import type { LocalSpooling } from './operations/local-spooling.ts'
import type { BufferedRecorder } from './operations/record-usage.ts'
import type * as ports from './ports.ts'
import type { TokenVerifier } from './ports-access.ts'
import type { ChangeFeed } from './ports-feed.ts'
import type { Limiter } from './ports-limits.ts'
import type { Breaker } from './ports-observing.ts'
import type { PushJournal, PushStore, RollUpMarks, UsageCopies, UsageReports } from './ports-reporting.ts'
import type { RevocationSpool } from './ports-spool.ts'

/** Everything that an operation may touch. */
export interface Services {
  readonly keys: ports.KeyStore
  readonly providers: ports.ProviderStore
  readonly idempotency: ports.IdempotencyStore
  /** Where every change of a key or a provider is told. */
  readonly feed: ChangeFeed
  readonly knownKeys: KnownKeys
  readonly usage: BufferedRecorder
  /** What waits on the local disk. */
  readonly spooling: LocalSpooling
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
  readonly limiter: Limiter
  readonly failures: FailureLimits
  readonly keyQuotas: KeyQuotas
  /** What each caller may call of each endpoint of the management API. */
  readonly managementLimit: Omit<RateLimit, 'name'>
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
  /** undefined where no Entra ID token is accepted. */
  readonly tokens: TokenVerifier | undefined
  /** Where the address of a caller is read from. */
  readonly clientIpSource: ClientIpSource
  /** Seals the cursors of listings. */
  readonly cursorKey: Uint8Array
  readonly isAdminKey: (credential: string) => boolean
  /** The circuit breakers before the dependencies. */
  readonly guards: readonly Breaker[]
  readonly readiness: ReadinessCheck
  /** What goes on beside the calls: begun with the first of them, ended with the app. */
  readonly background: readonly ports.Background[]
  readonly clock: ports.Clock
  readonly random: ports.Random
  /** What this instance has counted. */
  readonly metrics: Metrics
  /** For what happens outside any invocation. */
  readonly log: ports.Log
}

let composed: Services | undefined

/** Composed on the first call and kept for the life of the worker. Throws `ConfigError` until the settings are right. */
export function services(): Services {
  if (composed === undefined) {
    composed = compose(parseConfig(process.env))
    for (const work of composed.background) work.start()
  }
  return composed
}

/** What has been composed so far, if anything: at the end there is nothing to flush where nothing was used. */
export function composedServices(): Services | undefined {
  return composed
}
