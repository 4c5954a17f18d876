import { oneProvider } from '../../domain/access/provider-scope.ts'
import type { ProviderStore } from '../../ports/keys.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Breaker, BreakerState } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Scheduler } from '../../ports/runtime.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { LocalSpool, SpoolState } from '../spool/local-spool.ts'

interface ReadinessNeeds {
  readonly providers: Pick<ProviderStore, 'find'>
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly guards: readonly Breaker[]
  readonly keyLookup: Pick<KeyLookup, 'status'>
  readonly limiter: Pick<Limiter, 'clockSkewSeconds'>
  readonly localSpool: Pick<LocalSpool, 'state'>
  /** Whether the settings enable files on the local disk. */
  readonly keepsLocalFiles: boolean
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
}

interface DependencyState {
  readonly name: 'tables' | 'queue'
  /** null when the dependency answers; else the error, for the log only. */
  readonly failure: unknown
}

/** The state of this instance: its dependencies, and what it has on hand for an outage. */
export interface Readiness {
  /** The names of the faults; empty when the instance is ready. */
  readonly wrong: readonly string[]
  readonly dependencies: readonly DependencyState[]
  readonly breakers: readonly { readonly name: string; readonly state: BreakerState }[]
  /** undefined without a file on the local disk. */
  readonly spool: SpoolState | undefined
  readonly known: ReturnType<KeyLookup['status']>
  /** How far this instance's clock is ahead of the store's; undefined while unknown. */
  readonly clockSkewSeconds: number | undefined
}

/** Never throws. */
export type ReadinessCheck = () => Promise<Readiness>

const PROBE_TIMEOUT_MS = 2500
const RESULT_TTL_MS = 1000
const SPOOL_BYTES_FULL = 90 * 1024 * 1024
const SKEW_SECONDS_MAX = 5

/**
 * Probes the dependencies concurrently, each with one cheap request; a dependency that takes longer than 2.5 s counts
 * as down. The endpoint is public, so calls within one second share a result.
 */
export function readinessCheck(needs: ReadinessNeeds): ReadinessCheck {
  let last: { readonly begunAtMs: number; readonly result: Promise<Readiness> } | undefined
  return () => {
    const begunAtMs = needs.clock.monotonicMs()
    if (last === undefined || begunAtMs - last.begunAtMs >= RESULT_TTL_MS) last = { begunAtMs, result: check(needs) }
    return last.result
  }
}

async function check(needs: ReadinessNeeds): Promise<Readiness> {
  const { providers, queue, guards, keyLookup, limiter, localSpool, scheduler } = needs
  const dependencies = await Promise.all([
    probe('tables', () => providers.find(oneProvider('readiness')), scheduler),
    probe('queue', () => queue.depth(), scheduler),
  ])
  const found = {
    dependencies,
    breakers: guards.map((guard) => ({ name: guard.name, state: guard.state() })),
    spool: localSpool.state(),
    known: keyLookup.status(),
    clockSkewSeconds: limiter.clockSkewSeconds(),
  }
  return { ...found, wrong: faultsOf(found, needs.keepsLocalFiles) }
}

function faultsOf(found: Omit<Readiness, 'wrong'>, keepsLocalFiles: boolean): readonly string[] {
  const { dependencies, breakers, spool, clockSkewSeconds = 0 } = found
  return [
    ...dependencies.filter(({ failure }) => failure !== null).map(({ name }) => name),
    ...breakers.filter(({ state }) => state === 'open').map(({ name }) => `breaker_${name}`),
    ...(keepsLocalFiles && spool === undefined ? ['local_files'] : []),
    ...(spool !== undefined && spool.bytes >= SPOOL_BYTES_FULL ? ['spool_full'] : []),
    ...(Math.abs(clockSkewSeconds) > SKEW_SECONDS_MAX ? ['clock_skew'] : []),
  ]
}

async function probe(
  name: DependencyState['name'],
  request: () => Promise<unknown>,
  scheduler: Scheduler,
): Promise<DependencyState> {
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const cancel = scheduler.after(PROBE_TIMEOUT_MS, () => reject(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)))
  try {
    await Promise.race([request(), timeout])
    return { name, failure: null }
  } catch (failure) {
    return { name, failure }
  } finally {
    cancel()
  }
}
