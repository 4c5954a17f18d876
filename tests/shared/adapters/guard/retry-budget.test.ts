import { expect, test } from 'vitest'
import { retryBudget } from '../../../../shared/adapters/guard/retry-budget.ts'

function takeAll(budget: ReturnType<typeof retryBudget>): number {
  let taken = 0
  while (taken < 10_000 && budget.take()) taken++
  return taken
}

test('a dependency that is hardly asked may be retried 100 times in 10 s, and again when those are over', () => {
  let nowMs = 0
  const budget = retryBudget(() => nowMs)
  expect(takeAll(budget)).toBe(100)
  nowMs = 9_999
  expect(takeAll(budget)).toBe(0)
  nowMs = 10_000
  expect(takeAll(budget)).toBe(100)
})

test('of 10,000 requests within 10 s a fifth may be retried beside those, and none on account of older requests', () => {
  let nowMs = 0
  const budget = retryBudget(() => nowMs)
  for (let request = 0; request < 10_000; request++) {
    nowMs = Math.floor(request / 1000) * 1000
    budget.requested()
  }
  expect(takeAll(budget)).toBe(2100)
  nowMs = 60_000
  expect(takeAll(budget)).toBe(100)
})
