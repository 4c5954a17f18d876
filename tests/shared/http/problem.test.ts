import { describe, expect, test } from 'vitest'
import { AppError } from '../../../shared/domain/errors.ts'
import { errorCodes, publicError, toProblem } from '../../../shared/http/problem.ts'
import { ProblemView } from '../../support/contracts/reply-contracts.ts'

const read = (error: AppError) => JSON.parse(String(toProblem(error, 'request-1').body))

const registered: Readonly<Record<string, string>> = {
  rate_limited: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  too_many_failures: 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
}

describe('a problem', () => {
  test.each(errorCodes)('of the code %s has the shape of RFC 9457, its status, and its request_id', (code) => {
    const response = toProblem(new AppError(code, 'Something is wrong.'), 'request-1')
    const body = JSON.parse(String(response.body))
    expect(ProblemView.parse(body)).toEqual({
      ...{
        type: registered[code] ?? `urn:auth-api:error:${code}`,
        title: expect.any(String),
        status: response.status,
        code,
      },
      ...{ detail: 'Something is wrong.', request_id: 'request-1' },
    })
    expect(response.headers).toMatchObject({ 'content-type': 'application/problem+json' })
  })

  test('names every invalid field', () => {
    const errors = [{ pointer: '#/name', detail: 'is missing' }]
    expect(read(new AppError('invalid_request', 'No.', { errors })).errors).toEqual(errors)
    expect(read(new AppError('invalid_request', 'No.'))).not.toHaveProperty('errors')
  })

  test('of a limit names the limits', () => {
    const violatedPolicies = ['per-minute']
    expect(read(new AppError('rate_limited', 'No.', { violatedPolicies }))).toMatchObject({
      'violated-policies': ['per-minute'],
    })
    expect(read(new AppError('conflict', 'No.'))).not.toHaveProperty('violated-policies')
  })

  test('that is transient has Retry-After; others do not', () => {
    const retryAfter = (error: AppError) =>
      new Headers(toProblem(error, 'r').headers as Record<string, string>).get('retry-after')
    expect(retryAfter(new AppError('store_unavailable', 'x', { retryAfterSeconds: 7 }))).toBe('7')
    expect(retryAfter(new AppError('store_unavailable', 'x'))).toBe('5')
    expect(retryAfter(new AppError('idempotency_in_progress', 'x', { retryAfterSeconds: 1 }))).toBe('1')
    expect(retryAfter(new AppError('key_not_found', 'x'))).toBeNull()
  })

  test('of a missing credential names the scheme', () => {
    expect(toProblem(new AppError('unauthenticated', 'x'), 'r').headers).toMatchObject({
      'www-authenticate': 'Bearer realm="auth-api"',
    })
  })

  test('hides an internal error, and the cause of a public one', () => {
    const cause = new Error('AccountKey=abc at 10.0.0.4')
    for (const thrown of [cause, new AppError('store_unavailable', 'Later.', { cause }), 'a string', null, undefined]) {
      const text = String(toProblem(publicError(thrown), 'r').body)
      expect(text).not.toMatch(/AccountKey|10\.0\.0\.4|a string|at .*\.ts/)
    }
    expect(read(publicError(cause)).code).toBe('internal')
    expect(publicError(cause).cause).toBe(cause)
  })
})
