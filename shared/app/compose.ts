import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { hostname } from 'node:os'
import { entraTokens } from '../adapters/identity/entra-tokens.ts'
import { sqliteKeyReplica } from '../adapters/sqlite/key-replica.ts'
import { sqliteLimitJournal } from '../adapters/sqlite/limit-journal.ts'
import { isProviderId, managementScopes } from '../contracts/fields.ts'
import { encodeRevocationMessage, parseRevocationMessage } from '../contracts/revocation-message.ts'
import {
  encodeUsageMessage,
  eraseInUsageMessage,
  measureUsageDelta,
  parseUsageMessage,
  raiseUsageRedrives,
} from '../contracts/usage-message.ts'
import { keyLookup } from '../operations/key-cache/key-lookup.ts'
import { keyDigests } from '../operations/key-digests.ts'
import { pepperCheck } from '../operations/keys/check-peppers.ts'
import { keyQuotas } from '../operations/keys/key-quotas.ts'
import { rehashKeys } from '../operations/keys/rehash-keys.ts'
import { bypassLimit } from '../operations/limits/bypass-limit.ts'
import { failureLimits } from '../operations/limits/failure-limits.ts'
import { inFlightLimits } from '../operations/limits/in-flight.ts'
import { limiter } from '../operations/limits/limiter.ts'
import { readinessCheck } from '../operations/maintenance/check-readiness.ts'
import { watchGauges } from '../operations/maintenance/watch-gauges.ts'
import { usageAggregator } from '../operations/usage/aggregate-usage.ts'
import { usageConsumer } from '../operations/usage/consume-usage.ts'
import type { RevocationCodec } from '../ports/keys.ts'
import type { Clock, Random, Scheduler } from '../ports/runtime.ts'
import type { UsageCodec } from '../ports/usage.ts'
import type { Config } from '../runtime/config.ts'
import { backgroundLog } from '../runtime/log.ts'
import { openMetrics } from '../runtime/metrics.ts'
import { processUsage } from '../runtime/process-usage.ts'
import { inTurnOf, OWN_WORK } from '../runtime/turns.ts'
import { newUlid } from '../runtime/ulid.ts'
import { VERSION } from '../runtime/version.ts'
import { composeUsage } from './compose-usage.ts'
import { openLocalFiles } from './open-local-files.ts'
import { openStores } from './open-stores.ts'
import type { Services } from './services.ts'

const codec: UsageCodec = {
  encode: encodeUsageMessage,
  parse: parseUsageMessage,
  measure: measureUsageDelta,
  erase: eraseInUsageMessage,
  raiseRedrives: raiseUsageRedrives,
}
const revocationCodec: RevocationCodec = { encode: encodeRevocationMessage, parse: parseRevocationMessage }
const names = { scopes: managementScopes, isProviderId }
const clock: Clock = { now: () => new Date(), monotonicMs: () => performance.now() }
const random: Random = { bytes: (size) => randomBytes(size), id: newUlid }
const scheduler: Scheduler = {
  after(delayMs, task) {
    // Calls keep a worker alive; its background work does not. It has no turn of a caller, even where a call started it.
    const timer = setTimeout(() => inTurnOf(OWN_WORK, task), delayMs).unref()
    return () => clearTimeout(timer)
  },
}

/** A busy partition of counters is written twice a second, and an idle one at once. */
const COMMIT_PAUSE_MS = 500

/** The one place where ports meet adapters. Opens nothing and sends nothing: clients are created on first use. */
export function compose(config: Config): Services {
  const [instance, boot] = [instanceName(), newUlid()]
  const metrics = openMetrics({ worker: `${instance}.${boot}` })
  const { hot, pushLog, keysInBackground, ...stores } = openStores(config, metrics.meter, clock)
  const digests = keyDigests(config.peppers)
  const log = backgroundLog
  const jitter = Math.random
  const aggregator = usageAggregator({
    ...{ ...stores, keys: keysInBackground, clock, scheduler, jitter },
    pauseMs: COMMIT_PAUSE_MS,
  })
  const local = openLocalFiles(config, log)
  const limits = limiter({
    ...{ store: hot.limits, clock, scheduler, meter: metrics.meter, log, jitter },
    journal: sqliteLimitJournal(() => local.database()?.database),
    writer: boot.slice(-12),
  })
  const lookup = keyLookup({
    staleIfErrorMs: config.staleIfErrorSeconds * 1000,
    ...{ ...hot, digests, clock, scheduler, log, meter: metrics.meter },
    replica: sqliteKeyReplica(() => local.database()?.database),
    rehash: rehashKeys({ keys: keysInBackground, clock, log }),
  })
  const { usage, localSpool } = composeUsage(config, {
    ...{
      queue: stores.queue,
      keys: stores.keys,
      ending: stores.ending,
      feed: stores.feed,
      boots: stores.boots,
      keyLookup: lookup,
      codec,
      hashIp: digests.ofAddress,
    },
    ...{ open: local.spool, orphaned: local.orphaned, clock, scheduler, random, log, jitter, meter: metrics.meter },
    instance,
  })
  const pepperVersions = config.peppers.map(({ version }) => version)
  const peppers = pepperCheck({
    ...{ pepperStore: hot.peppers, pepperVersions, newestPepper: digests.newestPepper, clock, scheduler, log },
  })
  const watched = { ...stores, limiter: limits, keyLookup: lookup, localSpool, pepperCheck: peppers }
  watchGauges(metrics.meter, VERSION, { ...watched, process: processUsage() })
  return {
    ...stores,
    ...{ codec, revocationCodec, clock, scheduler, random, log, digests, aggregator, metrics },
    keyLookup: lookup,
    limiter: limits,
    failures: failureLimits({ limiter: limits, hashIp: digests.ofAddress, clock, scheduler, log }),
    bypasses: bypassLimit(clock),
    inFlight: inFlightLimits(config.inFlightPerCaller),
    managementLimit: config.managementLimit,
    usageRetentionMonths: config.usageRetentionMonths,
    keyQuotas: keyQuotas({ ...stores, limiter: limits, clock, scheduler, jitter, log }),
    ...{ usage, localSpool, pendingRevocations: localSpool.pendingRevocations },
    consumer: usageConsumer({
      ...stores,
      ...{ aggregator, codec, pushLog, clock, log, meter: metrics.meter },
      leaseSeconds: config.usageLeaseSeconds,
    }),
    ...{ pepperVersions, pepperCheck: peppers },
    background: [localSpool, lookup, peppers],
    tokens: config.entra && entraTokens({ ...names, settings: config.entra, clock, scheduler, log }),
    ...{ clientIpSource: config.clientIpSource, corsOrigins: config.corsOrigins, settingWarnings: config.warnings },
    readiness: readinessCheck({ ...watched, clock, scheduler, keepsLocalFiles: config.localDatabase !== undefined }),
    cursorKeys: digests.deriveAll('cursor'),
    isAdminKey: equalsAny(config.adminKeys),
  }
}

/**
 * Compares digests of equal length with every secret, so that timing reveals neither a secret, nor its length, nor which
 * of them matched.
 */
function equalsAny(secrets: readonly string[]): (candidate: string) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = secrets.map(digest)
  return (candidate) => {
    const presented = digest(candidate)
    return expected.map((secret) => timingSafeEqual(presented, secret)).includes(true)
  }
}

/** In Azure every instance has a unique name; elsewhere the host name suffices, since the boot id is unique. */
function instanceName(): string {
  const name = process.env.WEBSITE_INSTANCE_ID ?? hostname()
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 32) || 'instance'
}
