import type { HttpRequest } from '@azure/functions'
import type { Services } from '../../app/services.ts'
import type { ReadinessView } from '../../contracts/health.ts'
import { AppError } from '../../domain/errors.ts'
import type { Readiness } from '../../operations/maintenance/check-readiness.ts'
import type { Log } from '../../ports/runtime.ts'
import { ConfigError } from '../../runtime/config.ts'
import { describeFailure } from '../../runtime/log.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { VERSION } from '../../runtime/version.ts'
import { clientAddress } from '../client-address.ts'
import type { Answer } from '../endpoint-spec.ts'

/** Names each wrong setting, never its value, and each failing dependency; the log has the cause. */
export async function toReadinessAnswer(
  provide: () => Services,
  log: Log,
  { headers }: Pick<HttpRequest, 'headers'>,
): Promise<Answer> {
  const composed = composeOrExplain(provide)
  if (Array.isArray(composed)) return { status: 503, body: misconfigured(composed) }
  const fault = await composed.pepperCheck.fault()
  if (fault !== undefined) return { status: 503, body: misconfigured([fault]) }
  const readiness = await composed.readiness()
  for (const { name, failure } of readiness.dependencies) {
    if (failure !== null)
      log('error', 'dependency does not answer', { dependency: name, cause: describeFailure(failure) })
  }
  return {
    status: readiness.wrong.length === 0 ? 200 : 503,
    body: toReadinessView(readiness, warningsOf(composed, headers)),
  }
}

/** Besides the settings' own, one about the address of this request's caller: other requests come the same way. */
function warningsOf(
  { settingWarnings, clientIpSource }: Pick<Services, 'settingWarnings' | 'clientIpSource'>,
  headers: HttpRequest['headers'],
): readonly string[] {
  if (clientIpSource.kind === 'none' || clientAddress(headers, clientIpSource) !== null) return settingWarnings
  const setting = clientIpSource.kind === 'hops' ? `hops:${clientIpSource.count}` : clientIpSource.kind
  return [
    ...settingWarnings,
    `CLIENT_IP_SOURCE is ${setting}, and this request came without an address that it trusts: keys with ip_restrictions are refused. Where no proxy is in front, set none`,
  ]
}

function toReadinessView(
  { wrong, dependencies, breakers, spool, known, clockSkewSeconds }: Readiness,
  warnings: readonly string[],
): ReadinessView {
  return {
    status: wrong.length === 0 ? 'ready' : 'unavailable',
    version: VERSION,
    wrong: [...wrong],
    settings: [],
    warnings: [...warnings],
    dependencies: Object.fromEntries(
      dependencies.map(({ name, failure }) => [name, failure === null ? 'ok' : 'unavailable']),
    ),
    breakers: Object.fromEntries(breakers.map(({ name, state }) => [name, state])),
    spool:
      spool === undefined
        ? null
        : {
            batches: spool.batches,
            bytes: spool.bytes,
            oldest_seconds: toSeconds(spool.oldestAgeMs),
            pending_revocations: spool.pendingRevocations,
          },
    feed_age_seconds: known.feedAgeMs === undefined ? null : toSeconds(known.feedAgeMs),
    replica:
      known.replicaAgeMs === undefined ? null : { keys: known.replicaKeys, age_seconds: toSeconds(known.replicaAgeMs) },
    clock_skew_seconds: clockSkewSeconds ?? null,
  }
}

function misconfigured(settings: readonly string[]): ReadinessView {
  return {
    ...{ status: 'misconfigured', version: VERSION, wrong: ['settings'], settings: [...settings] },
    ...{ warnings: [], dependencies: {}, breakers: {}, spool: null },
    ...{ feed_age_seconds: null, replica: null, clock_skew_seconds: null },
  }
}

function toSeconds(ms: number): number {
  return Math.round(ms) / 1000
}

function composeOrExplain(provide: () => Services): Services | string[] {
  try {
    return provide()
  } catch (error) {
    if (error instanceof AppError && error.cause instanceof ConfigError) return error.cause.message.split('\n')
    throw error
  }
}

/** Returns every metric that can be read, and logs each gauge that cannot. */
export async function toMetricsAnswer(metrics: Pick<Metrics, 'read'>, log: Log): Promise<Answer> {
  const { text, contentType, failures } = await metrics.read()
  for (const { name, cause } of failures) {
    log('warn', 'A gauge could not be read.', { gauge: name, cause: describeFailure(cause) })
  }
  return { headers: { 'content-type': contentType }, body: text }
}
