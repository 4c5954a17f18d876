import { queueTrigger } from '../shared/triggers/queue-trigger.ts'

/** Counts usage messages. A message from the trigger wakes the consumer, which then drains the queue by itself. */
export const usageAggregate = queueTrigger({
  name: 'usage-aggregate',
  queue: 'usage-events',
  handle: (body, services) => services.consumer.wake(body),
})
