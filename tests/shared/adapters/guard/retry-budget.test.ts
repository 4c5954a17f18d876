import { expect, test } from 'vitest'
import { retryBudget } from '../../../../shared/adapters/guard/retry-budget.ts'

function withdrawAll(budget: ReturnType<typeof retryBudget>): number {
  let withdrawn = 0
  while (withdrawn < 10_000 && budget.tryWithdraw()) withdrawn++
  return withdrawn
}

test('with hardly any requests the budget allows 100 retries in 10 s, and 100 more in the next 10 s', () => {
  let nowMs = 0
  const budget = retryBudget(() => nowMs)
  expect(withdrawAll(budget)).toBe(100)
  nowMs = 9_999
  expect(withdrawAll(budget)).toBe(0)
  nowMs = 10_000
  expect(withdrawAll(budget)).toBe(100)
})

test('of 10,000 requests within 10 s a fifth may be retried on top, and none on account of older requests', () => {
  let nowMs = 0
  const budget = retryBudget(() => nowMs)
  for (let request = 0; request < 10_000; request++) {
    nowMs = Math.floor(request / 1000) * 1000
    budget.deposit()
  }
  expect(withdrawAll(budget)).toBe(2100)
  nowMs = 60_000
  expect(withdrawAll(budget)).toBe(100)
})
