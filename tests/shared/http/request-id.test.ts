import { HttpRequest } from '@azure/functions'
import { expect, test } from 'vitest'
import { readRequestId } from '../../../shared/http/request-id.ts'

const requestWith = (headers: Record<string, string>) =>
  new HttpRequest({ method: 'GET', url: 'http://localhost/', headers })

test.each(['12345678', 'order-42_retry', 'A'.repeat(64)])('the caller’s own id %s is taken', (id) => {
  expect(readRequestId(requestWith({ 'X-Request-Id': id }))).toBe(id)
})

test.each(['1234567', 'A'.repeat(65), 'with space', 'a,b,c,d,e', 'line\\nbreak', 'ünïcödé-id', '<script>alert(1)', ''])(
  'the id %j is not, and a ULID takes its place',
  (id) => expect(readRequestId(requestWith({ 'x-request-id': id }))).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/),
)

test('requests without an id get one each', () => {
  expect(readRequestId(requestWith({}))).not.toBe(readRequestId(requestWith({})))
})
