import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ANSWERED } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { type CallPolicy, openGuard } from '../../../../shared/adapters/guard/guard.ts'

const policy: CallPolicy = {
  ...{ attemptMs: 20, deadlineMs: 40, retries: 1, backoffMs: 1 },
  ...{ openMs: 5000, concurrency: 1 },
}

test('a reply that arrives while the event loop is stalled counts, though its timeout has passed', async () => {
  const outcomes: unknown[] = []
  const guard = openGuard({
    name: 'tables',
    policy,
    meter: { count: (_, labels) => outcomes.push('outcome' in labels && labels.outcome), observe: () => undefined },
  })
  // The event loop then comes to the timers before it comes to the reply.
  await new Promise(setImmediate)
  const reply = guard.run(
    () => {
      const arriving = replyAtOnce()
      stall(2 * policy.deadlineMs)
      return arriving
    },
    () => ANSWERED,
  )
  expect(await reply).toBe('row')
  expect(outcomes).toEqual(['ok'])
})

/** A reply that reaches this process at once, and its code when the event loop next comes to I/O. */
function replyAtOnce(): Promise<string> {
  const { port1, port2 } = new MessageChannel()
  const { promise, resolve } = Promise.withResolvers<string>()
  port1.once('message', (text: string) => {
    port1.close()
    resolve(text)
  })
  port2.postMessage('row')
  return promise
}

function stall(ms: number): void {
  const endsAtMs = performance.now() + ms
  while (performance.now() < endsAtMs);
}
