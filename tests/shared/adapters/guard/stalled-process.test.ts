import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ANSWERED } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { type CallPolicy, openGuard } from '../../../../shared/adapters/guard/guard.ts'

const policy: CallPolicy = {
  ...{ attemptMs: 20, deadlineMs: 40, retries: 1, backoffMs: 1 },
  ...{ openMs: 5000, concurrency: 1 },
}

test('a reply that arrives while the event loop is stalled counts, though its timeout has passed', async () => {
  const { guard, outcomes } = counting()
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

test('the time of a stall is ours: a reply that comes after it counts, and the deadline moves', async () => {
  const { guard, outcomes } = counting()
  await new Promise(setImmediate)
  const reply = guard.run(
    () => {
      stall(2 * policy.deadlineMs)
      // The request left this process only after the stall.
      return new Promise((resolve) => setTimeout(resolve, policy.attemptMs / 2, 'row'))
    },
    () => ANSWERED,
  )
  expect(await reply).toBe('row')
  expect(outcomes).toEqual(['ok'])
})

test('a store that answers nothing after a long stall is no outage of the store', async () => {
  const { guard, outcomes } = counting()
  const silent = guard.run(
    () => {
      stall(4 * policy.deadlineMs)
      return new Promise<never>(() => undefined)
    },
    () => ANSWERED,
  )
  await expect(silent).rejects.toMatchObject({ name: 'CallRejected', reason: 'overload' })
  expect(outcomes).toEqual(['rejected'])
})

function counting() {
  const outcomes: unknown[] = []
  const guard = openGuard({
    name: 'tables',
    policy,
    meter: { count: (_, labels) => outcomes.push('outcome' in labels && labels.outcome), observe: () => undefined },
  })
  return { guard, outcomes }
}

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
