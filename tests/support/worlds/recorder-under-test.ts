import { encodeUsageMessage, measureUsageDelta, parseUsageMessage } from '../../../shared/contracts/usage-message.ts'
import type { UsageBatch, UsageEvent } from '../../../shared/domain/usage/usage.ts'
import { queueRecorder } from '../../../shared/operations/usage/queue-recorder.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { manualTime, rest } from '../memory/manual-time.ts'

interface Sending {
  readonly batch: UsageBatch
  readonly body: string
  acknowledge(): void
  fail(): void
}

/** A recorder with manual time and a manual queue: every send waits until the test acknowledges or fails it. */
export function recorderUnderTest(options: { durability?: 'strict' | 'relaxed'; bytesMax?: number } = {}) {
  const time = manualTime()
  const sends: Sending[] = []
  const warnings: unknown[] = []
  const metrics = openMetrics({ worker: 'tests' })
  const recorder = queueRecorder({
    queue: {
      send: (body) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const fail = () => reject(new Error('no reply'))
        sends.push({ batch: parseUsageMessage(body), body, acknowledge: resolve, fail })
        return promise
      },
    },
    codec: { encode: encodeUsageMessage, measure: measureUsageDelta },
    clock: time.clock,
    scheduler: time.scheduler,
    log: (_level, _message, fields) => warnings.push(fields),
    meter: metrics.meter,
    jitter: () => 1,
    hashIp: (address) => `hash-of-${address}`,
    durability: 'strict',
    instance: 'host-1',
    boot: 'BOOT',
    ...options,
  })
  const use = (part: Partial<UsageEvent> = {}): UsageEvent => ({
    providerId: 'acme',
    keyId: 'key-a',
    ownerId: null,
    environment: 'live',
    at: time.clock.now(),
    outcome: 'VALID',
    endpoint: '/orders',
    statusClass: '2xx',
    count: 1,
    clientIp: null,
    ...part,
  })
  const sent = (index: number): Sending => {
    const one = sends[index]
    if (one === undefined) throw new Error(`only ${sends.length} messages were sent`)
    return one
  }
  return { time, sends, sent, warnings, metrics, recorder, use }
}

/** Returns `resolved`, `waiting`, or the code of the refusal, once all pending work has run. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  const settled = promise.then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  )
  await rest()
  return Promise.race([settled, Promise.resolve('waiting')])
}
