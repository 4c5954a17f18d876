import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ANSWERED } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { type CallPolicy, type Guard, openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { openGuards } from '../../../../shared/adapters/guard/guards.ts'
import { parseConfig } from '../../../../shared/runtime/config.ts'
import { inTurnOf } from '../../../../shared/runtime/turns.ts'
import { makeTestSettings } from '../../../support/runs/test-settings.ts'

beforeEach(() => void vi.useFakeTimers({ toNotFake: ['setImmediate', 'clearImmediate'] }))
afterEach(() => void vi.useRealTimers())

const meter = { count: () => undefined, observe: () => undefined, watch: () => undefined }
const answered = () => ANSWERED
const outcome = (promise: Promise<unknown>) =>
  promise.then(String, (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)))
const reply = () => Promise.resolve('row')
const slow = () => new Promise((resolve) => setTimeout(resolve, 300, 'row'))

/** Sends many slow requests through one guard, in the turn of one provider. */
function flood(guard: Guard, requests = 1000): void {
  inTurnOf('provider:hostile', () => {
    for (let sent = 0; sent < requests; sent++) void outcome(guard.run(slow, answered))
  })
}

/** What requests of a neighbour get within half a second while another provider floods one lane. */
async function neighbourBeside(flooded: Guard, lanes: Readonly<Record<string, Guard>>) {
  flood(flooded)
  const asked = Object.entries(lanes).map(async ([lane, guard]) => [
    lane,
    await outcome(inTurnOf('provider:neighbour', () => guard.run(reply, answered))),
  ])
  await vi.advanceTimersByTimeAsync(500)
  return Object.fromEntries(await Promise.race([Promise.all(asked), vi.advanceTimersByTimeAsync(0).then(() => [])]))
}

describe('a lane that one provider floods', () => {
  const guards = () => openGuards(parseConfig(settings()), meter).tables
  const settings = () => ({
    ...makeTestSettings(),
    ...{ AZURE_STORAGE_ACCOUNT: 'mystore', MAX_CONCURRENT_REQUESTS: '4' },
  })

  test.each(['revocation', 'limits', 'lookup', 'management', 'background'] as const)(
    '(%s) delays no other lane, opens no breaker, and gives its own next place to a neighbour',
    async (lane) => {
      const tables = guards()
      const answers = await neighbourBeside(tables[lane], tables)
      expect(answers).toEqual({
        ...{ revocation: 'row', limits: 'row', lookup: 'row', management: 'row', background: 'row' },
      })
      expect(Object.values(tables).map((guard) => guard.state())).toEqual(new Array(5).fill('closed'))
    },
  )

  test('is told from the others: one bulkhead for all lanes, first come, first served, would cut the neighbour off', async () => {
    const shared = openGuard({ name: 'shared', policy })
    const firstComeFirstServed: Guard = {
      ...shared,
      run: (send, classify) => shared.run(send, classify, { turn: 'one line' }),
    }
    const answers = await neighbourBeside(firstComeFirstServed, { limits: firstComeFirstServed })
    expect(answers.limits).not.toBe('row')
  })
})

const policy: CallPolicy = {
  ...{ attemptMs: 400, deadlineMs: 800, retries: 1, backoffMs: 50 },
  ...{ openMs: 5000, concurrency: 4 },
}
