import type { Limiter } from '../../ports/limits.ts'
import type { Meter, ProcessUsage } from '../../ports/meter.ts'
import type { PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { PepperCheck } from '../keys/check-peppers.ts'
import type { LocalSpool } from '../spool/local-spool.ts'

/** What the gauges read at a scrape. */
interface Watched {
  readonly process: ProcessUsage
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly keyEvents: Pick<MessageQueue, 'depth'>
  readonly keyEventsPoison: Pick<MessageQueue, 'depth'>
  readonly poisoned: Pick<PoisonStore, 'page'>
  readonly limiter: Pick<Limiter, 'leases' | 'clockSkewSeconds'>
  readonly localSpool: Pick<LocalSpool, 'state'>
  readonly keyLookup: Pick<KeyLookup, 'status'>
  readonly pepperCheck: Pick<PepperCheck, 'counted'>
}

const SET_ASIDE_COUNTED = 1000

/** Registers the reader of each gauge. A gauge whose value is unknown has no sample. */
export function watchGauges({ watch }: Pick<Meter, 'watch'>, version: string, watched: Watched): void {
  const { process, poisoned, limiter, localSpool, keyLookup, pepperCheck } = watched
  watch('auth_api_build_info', () => [{ labels: { version }, value: 1 }])
  watch('auth_api_resident_memory_bytes', () => sample(process.memoryBytes()))
  watch('auth_api_event_loop_busy_ratio', () => sample(process.busyRatio()))
  watch('auth_api_queue_messages', async () => {
    const queues = {
      'usage-events': watched.queue,
      'usage-events-poison': watched.poison,
      'key-events': watched.keyEvents,
      'key-events-poison': watched.keyEventsPoison,
    }
    return Promise.all(
      Object.entries(queues).map(async ([queue, { depth }]) => ({ labels: { queue }, value: await depth() })),
    )
  })
  watch('auth_api_usage_set_aside_messages', async () =>
    sample((await poisoned.page({ limit: SET_ASIDE_COUNTED, after: null })).items.length),
  )
  watch('auth_api_spool_batches', () => sample(localSpool.state()?.batches))
  watch('auth_api_spool_bytes', () => sample(localSpool.state()?.bytes))
  watch('auth_api_spool_oldest_seconds', () => secondsSample(localSpool.state()?.oldestAgeMs))
  watch('auth_api_pending_revocations', () => sample(localSpool.state()?.pendingRevocations))
  watch('auth_api_cached_keys', () => sample(keyLookup.status().cachedKeys))
  watch('auth_api_feed_age_seconds', () => secondsSample(keyLookup.status().feedAgeMs))
  watch('auth_api_replica_age_seconds', () => secondsSample(keyLookup.status().replicaAgeMs))
  watch('auth_api_replica_keys', () => sample(keyLookup.status().replicaKeys))
  watch('auth_api_keys_by_pepper', () =>
    Object.entries(pepperCheck.counted()?.keys ?? {}).map(([pepper, value]) => ({ labels: { pepper }, value })),
  )
  watch('auth_api_limit_leases', () => sample(limiter.leases()))
  watch('auth_api_clock_skew_seconds', () => sample(limiter.clockSkewSeconds()))
}

function sample(value: number | undefined) {
  return value === undefined ? [] : [{ labels: {}, value }]
}

function secondsSample(ms: number | undefined) {
  return sample(ms === undefined ? undefined : ms / 1000)
}
