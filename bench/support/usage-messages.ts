import { ulid } from 'ulid'
import { encodeUsageMessage, measureUsageDelta } from '../../shared/contracts/usage-message.ts'
import type { UsageEvent } from '../../shared/domain/usage/usage.ts'
import { queueRecorder } from '../../shared/operations/usage/queue-recorder.ts'
import type { Clock, Scheduler } from '../../shared/ports/runtime.ts'
import { openMetrics } from '../../shared/runtime/metrics.ts'

export const systemClock: Clock = { now: () => new Date(), monotonicMs: () => performance.now() }
export const systemScheduler: Scheduler = {
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs).unref()
    return () => clearTimeout(timer)
  },
}

/** Makes messages with the real producer, from uses of random keys. */
export function messageMaker(keys: number) {
  const bodies: string[] = []
  const keyIds = Array.from({ length: keys }, () => ulid())
  const recorder = queueRecorder({
    queue: { send: async (body) => void bodies.push(body) },
    codec: { encode: encodeUsageMessage, measure: measureUsageDelta },
    clock: systemClock,
    scheduler: systemScheduler,
    log: () => undefined,
    meter: openMetrics({ worker: 'bench' }).meter,
    jitter: Math.random,
    hashIp: () => '0123456789abcdef',
    durability: 'relaxed',
    instance: 'bench',
    boot: ulid(),
  })
  const makeOne = async (uses: number, at: Date): Promise<string> => {
    for (let use = 0; use < uses; use++) await recorder.record(sampleUse(keyIds[Math.floor(Math.random() * keys)], at))
    await recorder.flush()
    const [body, ...more] = bodies.splice(0)
    if (body === undefined || more.length > 0) throw new Error('The uses did not fill exactly one message.')
    return body
  }
  return {
    /** Makes `messages` messages of `uses` uses each. */
    async make(messages: number, uses: number, at: Date): Promise<readonly string[]> {
      const made: string[] = []
      while (made.length < messages) made.push(await makeOne(uses, at))
      return made
    },
  }
}

function sampleUse(keyId = '', at: Date): UsageEvent {
  return {
    providerId: 'acme',
    keyId,
    ownerId: 'customer-42',
    environment: 'live',
    at,
    outcome: 'VALID',
    endpoint: '/v1/orders',
    statusClass: '2xx',
    count: 1,
    clientIp: '203.0.113.7',
  }
}
