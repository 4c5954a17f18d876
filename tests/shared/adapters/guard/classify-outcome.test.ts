import { RestError } from '@azure/data-tables'
import { describe, expect, test } from 'vitest'
import {
  classifyError,
  classifyReply,
  classifyStatus,
  type OutcomeClass,
} from '../../../../shared/adapters/guard/classify-outcome.ts'
import { OutcomeUnknown } from '../../../../shared/adapters/guard/guard-errors.ts'

const classes: readonly (readonly [OutcomeClass, readonly (number | undefined)[]])[] = [
  ['ok', [200, 201, 202, 204, 304, 404, 409, 412]],
  ['transient', [undefined, 408, 429, 449, 500, 502, 503, 504]],
  ['validation', [400, 411, 413, 414, 415]],
  ['permanent', [401, 403, 405, 410, 416, 501, 505]],
]

describe('the outcome of an attempt', () => {
  test.each(classes)('is %s for %j', (outcome, statuses) => {
    expect(statuses.map(classifyStatus)).toEqual(statuses.map(() => outcome))
  })

  test('is transient for every transport error without a reply, and permanent for a bug of ours', () => {
    const abort = Object.assign(new Error('aborted'), { name: 'AbortError' })
    for (const error of [new RestError('socket hang up', { code: 'ECONNRESET' }), new OutcomeUnknown('late'), abort]) {
      expect(classifyError(error).outcome).toBe('transient')
    }
    expect(classifyError(new TypeError('undefined is no function')).outcome).toBe('permanent')
  })

  test.each([
    [{ 'retry-after': '3' }, 3000],
    [{ 'x-ms-retry-after-ms': '20', 'retry-after': '3' }, 20],
    [{ 'retry-after-ms': '20' }, 20],
    [{ 'retry-after': 'Sun, 22 Nov 2026 16:00:00 GMT' }, 0],
    [{}, 0],
  ])('includes the Retry-After of the dependency: %o', (headers: Record<string, string>, retryAfterMs) => {
    const readable = { get: (name: string) => headers[name] }
    expect(classifyReply({ status: 429, headers: readable })).toEqual({ outcome: 'transient', retryAfterMs })
    const error = Object.assign(new Error('throttled'), { statusCode: 429, response: { headers: readable } })
    expect(classifyError(error)).toEqual({ outcome: 'transient', retryAfterMs })
  })
})
