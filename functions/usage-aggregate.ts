import { queueTrigger } from '../shared/triggers/queue-trigger.ts'

/** Counts usage messages. Each message that the trigger hands over wakes it; it then takes what else waits by itself. */
export const usageAggregate = queueTrigger({
  name: 'usage-aggregate',
  queue: 'usage-events',
  handle: (body, services) => services.consumer.wake(body),
})
