import { RestError } from '@azure/data-tables'
import { describe, expect, test } from 'vitest'
import { judgeError, judgeReply, type Sort, sortStatus } from '../../../../shared/adapters/guard/classify-outcome.ts'
import { NoReply } from '../../../../shared/adapters/guard/guard-errors.ts'

const sorted: readonly (readonly [Sort, readonly (number | undefined)[]])[] = [
  ['ok', [200, 201, 202, 204, 304, 404, 409, 412]],
  ['transient', [undefined, 408, 429, 449, 500, 502, 503, 504]],
  ['validation', [400, 411, 413, 414, 415]],
  ['permanent', [401, 403, 405, 410, 416, 501, 505]],
]

describe('what came of a try', () => {
  test.each(sorted)('is %s for %j', (sort, statuses) => {
    expect(statuses.map(sortStatus)).toEqual(statuses.map(() => sort))
  })

  test('is transient for every error of the wire without a reply, and permanent for a bug of ours', () => {
    const abort = Object.assign(new Error('aborted'), { name: 'AbortError' })
    for (const error of [new RestError('socket hang up', { code: 'ECONNRESET' }), new NoReply('late'), abort]) {
      expect(judgeError(error).sort).toBe('transient')
    }
    expect(judgeError(new TypeError('undefined is no function')).sort).toBe('permanent')
  })

  test.each([
    [{ 'retry-after': '3' }, 3000],
    [{ 'x-ms-retry-after-ms': '20', 'retry-after': '3' }, 20],
    [{ 'retry-after-ms': '20' }, 20],
    [{ 'retry-after': 'Sun, 22 Nov 2026 16:00:00 GMT' }, 0],
    [{}, 0],
  ])('tells how long the dependency asks to be left alone: %o', (headers: Record<string, string>, retryAfterMs) => {
    const readable = { get: (name: string) => headers[name] }
    expect(judgeReply({ status: 429, headers: readable })).toEqual({ sort: 'transient', retryAfterMs })
    const error = Object.assign(new Error('throttled'), { statusCode: 429, response: { headers: readable } })
    expect(judgeError(error)).toEqual({ sort: 'transient', retryAfterMs })
  })
})
