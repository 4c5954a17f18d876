import { expect, test } from 'vitest'
import { bypassLimit } from '../../../../shared/operations/limits/bypass-limit.ts'
import { inFlightLimits } from '../../../../shared/operations/limits/in-flight.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'

const tooMany = expect.objectContaining({ code: 'too_many_requests_in_flight', retryAfterSeconds: 1 })

test('a caller has at most so many units in flight, and no caller takes from another', () => {
  const limits = inFlightLimits(3)
  const calls = [limits.enter('a'), limits.enter('a'), limits.enter('a')]
  expect(() => limits.enter('a')).toThrow(tooMany)
  limits.enter('b').leave()
  calls[0]?.leave()
  limits.enter('a')
  expect(() => limits.enter('a')).toThrow(tooMany)
})

test('a batch weighs its items, and its place is free again when it leaves, also after a refusal', () => {
  const limits = inFlightLimits(100)
  const batch = limits.enter('a')
  batch.weigh(60)
  const second = limits.enter('a')
  expect(() => second.weigh(60)).toThrow(tooMany)
  second.weigh(40)
  second.leave()
  batch.weigh(10)
  const third = limits.enter('a')
  third.weigh(40)
  for (const call of [batch, third]) call.leave()
  limits.enter('a').weigh(100)
})

test('a call that weighs more than the bound is let in alone', () => {
  const limits = inFlightLimits(10)
  const batch = limits.enter('a')
  batch.weigh(500)
  expect(() => limits.enter('a')).toThrow(tooMany)
  batch.leave()
  limits.enter('a')
  expect(() => limits.enter('a').weigh(500)).toThrow(tooMany)
})

test('a caller bypasses the cache so many times a second, all look-ups of a batch or none', async () => {
  const time = manualTime()
  const limit = bypassLimit(time.clock, 100)
  limit.take('a', 60)
  expect(() => limit.take('a', 60)).toThrow(expect.objectContaining({ code: 'rate_limited', retryAfterSeconds: 1 }))
  limit.take('a', 40)
  limit.take('b', 100)
  await time.advance(500)
  limit.take('a', 50)
  expect(() => limit.take('a', 1)).toThrow(expect.objectContaining({ violatedPolicies: ['no_cache'] }))
})
