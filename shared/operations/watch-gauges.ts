import type { MessageQueue } from '../ports.ts'
import type { Limiter } from '../ports-limits.ts'
import type { Meter } from '../ports-observing.ts'

/** What is looked at when somebody asks for the metrics. */
interface Watched {
  readonly queue: Pick<MessageQueue, 'depth'>
  readonly poison: Pick<MessageQueue, 'depth'>
  readonly limiter: Pick<Limiter, 'leases'>
}

/** Tells the meter where each gauge is read. */
export function watchGauges({ watch }: Pick<Meter, 'watch'>, version: string, watched: Watched): void {
  const { queue, poison, limiter } = watched
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
