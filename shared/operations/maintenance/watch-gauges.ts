import type { Limiter } from '../../ports/limits.ts'
import type { Meter, ProcessUsage } from '../../ports/meter.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { KeyLookup } from '../key-cache/key-lookup.ts'
import type { LocalSpool } from '../spool/local-spool.ts'

/** What is looked at when somebody asks for the metrics. */
interface Watched {
  readonly process: ProcessUsage
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly limiter: Pick<Limiter, 'leases' | 'clockSkewSeconds'>
  readonly localSpool: Pick<LocalSpool, 'state'>
  readonly keyLookup: Pick<KeyLookup, 'status'>
}

/** Tells the meter where each gauge is read. One of which nothing is known has no sample. */
export function watchGauges({ watch }: Pick<Meter, 'watch'>, version: string, watched: Watched): void {
  const { process, queue, poison, limiter, localSpool, keyLookup } = watched
  watch('auth_api_build_info', () => [{ labels: { version }, value: 1 }])
  watch('auth_api_resident_memory_bytes', () => known(process.memoryBytes()))
  watch('auth_api_event_loop_busy_ratio', () => known(process.busyRatio()))
  watch('auth_api_queue_messages', async () => {
    const [waiting, poisoned] = await Promise.all([queue.depth(), poison.depth()])
    return [
      { labels: { queue: 'usage-events' }, value: waiting },
      { labels: { queue: 'usage-events-poison' }, value: poisoned },
    ]
  })
  watch('auth_api_spool_batches', () => known(localSpool.state()?.batches))
  watch('auth_api_spool_bytes', () => known(localSpool.state()?.bytes))
  watch('auth_api_spool_oldest_seconds', () => knownSeconds(localSpool.state()?.oldestAgeMs))
  watch('auth_api_pending_revocations', () => known(localSpool.state()?.pendingRevocations))
  watch('auth_api_cached_keys', () => known(keyLookup.status().cachedKeys))
  watch('auth_api_feed_age_seconds', () => knownSeconds(keyLookup.status().feedAgeMs))
  watch('auth_api_replica_age_seconds', () => knownSeconds(keyLookup.status().replicaAgeMs))
  watch('auth_api_replica_keys', () => known(keyLookup.status().replicaKeys))
  watch('auth_api_limit_leases', () => known(limiter.leases()))
  watch('auth_api_clock_skew_seconds', () => known(limiter.clockSkewSeconds()))
}

function known(value: number | undefined) {
  return value === undefined ? [] : [{ labels: {}, value }]
}

function knownSeconds(ms: number | undefined) {
  return known(ms === undefined ? undefined : ms / 1000)
}
