import type { MessageQueue } from '../ports.ts'
import type { Limiter } from '../ports-limits.ts'
import type { Meter } from '../ports-observing.ts'
import type { LocalSpooling, SpoolState } from './local-spooling.ts'

/** What is looked at when somebody asks for the metrics. */
interface Watched {
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly limiter: Pick<Limiter, 'leases'>
  readonly spooling: Pick<LocalSpooling, 'state'>
}

/** Tells the meter where each gauge is read. One of which nothing is known has no sample. */
export function watchGauges({ watch }: Pick<Meter, 'watch'>, version: string, watched: Watched): void {
  const { queue, poison, limiter, spooling } = watched
  const ofSpool = (valueOf: (state: SpoolState) => number) => () => {
    const state = spooling.state()
    return state === undefined ? [] : [{ labels: {}, value: valueOf(state) }]
  }
  watch('auth_api_spool_batches', ofSpool(({ batches }) => batches))
  watch('auth_api_spool_bytes', ofSpool(({ bytes }) => bytes))
  watch('auth_api_spool_oldest_seconds', ofSpool(({ oldestAgeMs }) => oldestAgeMs / 1000))
  watch('auth_api_pending_revocations', ofSpool(({ pendingRevocations }) => pendingRevocations))
  watch('auth_api_build_info', () => [{ labels: { version }, value: 1 }])
  watch('auth_api_limit_leases', () => [{ labels: {}, value: limiter.leases() }])
  watch('auth_api_queue_messages', async () => {
    const [waiting, poisoned] = await Promise.all([queue.depth(), poison.depth()])
    return [
      { labels: { queue: 'usage-events' }, value: waiting },
      { labels: { queue: 'usage-events-poison' }, value: poisoned },
    ]
  })
}
