import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startLease } from '../../../local/queue/queue-lease.ts'

const MESSAGE = { messageId: 'm', popReceipt: 'receipt-0' } as DequeuedMessageItem

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A queue that returns a new receipt at each renewal, after `durationMs`; rejects the renewals numbered in `failing`. */
function fakeQueue(options: { failing?: number[]; durationMs?: number } = {}) {
  const renewals: { at: number; receipt: string; seconds: number | undefined }[] = []
  const startedAt = Date.now()
  const updateMessage = async (_id: string, receipt: string, _text?: unknown, seconds?: number) => {
    const number = renewals.push({ at: Date.now() - startedAt, receipt, seconds })
    await new Promise((resolve) => setTimeout(resolve, options.durationMs ?? 0))
    if (options.failing?.includes(number)) throw new Error('503')
    return { popReceipt: `receipt-${number}` }
  }
  return { renewals, queue: { name: 'q', updateMessage } as unknown as QueueClient }
}

test('a lease is renewed each time half of it has elapsed, with the latest receipt', async () => {
  const { queue, renewals } = fakeQueue()
  const lease = startLease(queue, MESSAGE, 600, () => {})
  await vi.advanceTimersByTimeAsync(900_001)
  expect(renewals).toEqual([
    { at: 300_000, receipt: 'receipt-0', seconds: 600 },
    { at: 600_000, receipt: 'receipt-1', seconds: 600 },
    { at: 900_000, receipt: 'receipt-2', seconds: 600 },
  ])
  expect(await lease.end()).toBe('receipt-3')
})

test('a failed renewal is logged and retried with the receipt that is still valid', async () => {
  const { queue, renewals } = fakeQueue({ failing: [1] })
  const lines: string[] = []
  const lease = startLease(queue, MESSAGE, 10, (_, message) => void lines.push(message))
  await vi.advanceTimersByTimeAsync(10_001)
  expect(renewals.map(({ receipt }) => receipt)).toEqual(['receipt-0', 'receipt-0'])
  expect(lines).toHaveLength(1)
  expect(await lease.end()).toBe('receipt-2')
})

test('the end waits for a renewal in flight, and no renewal follows it', async () => {
  const { queue, renewals } = fakeQueue({ durationMs: 1_000 })
  const lease = startLease(queue, MESSAGE, 10, () => {})
  await vi.advanceTimersByTimeAsync(5_500)
  const receipt = lease.end()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await receipt).toBe('receipt-1')
  expect(renewals).toHaveLength(1)
})
