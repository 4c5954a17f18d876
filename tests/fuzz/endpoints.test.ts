import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { endpoint } from '../../shared/http/endpoint.ts'
import type { Answer } from '../../shared/http/endpoint-spec.ts'
import { fuzz } from '../support/fuzz/fuzz.ts'
import { loadEndpoints } from '../support/requests/all-functions.ts'

const endpoints = await loadEndpoints()

test('20,000 requests make no endpoint fail, leave its contract, answer what is not documented, or show a secret', {
  timeout: 180_000,
}, async () => {
  const { failure, requests, answers } = await fuzz(endpoints, { sequences: 640 })
  expect(failure).toBeUndefined()
  expect(requests).toBeGreaterThanOrEqual(20_000)
  const succeeded = endpoints.filter(({ name }) => [...answers.keys()].some((answer) => answer.startsWith(`${name} 2`)))
  expect(succeeded).toEqual(endpoints)
})

describe('a fault that was put in is found:', () => {
  const Body = z.strictObject({ name: z.string().max(128), cost: z.int().min(0).max(1000).optional() })
  type Sent = z.output<typeof Body>
  const answering = (handle: (body: Sent) => Answer) =>
    // One that has a reply contract: that of `health`.
    endpoint({
      name: 'health',
      method: 'POST',
      route: 'planted',
      access: 'keys:read',
      body: Body,
      handle: async ({ body }) => handle(body),
    })

  const good = { body: { status: 'ok' } }
  test.each<[what: string, found: RegExp, handle: (body: Sent) => Answer]>([
    ['nothing', /^$/, () => good],
    [
      'a TypeError',
      /500: .*a fault of ours/,
      ({ cost }) => ({ body: { status: cost === undefined ? 'ok' : cost.toFixed(101) } }),
    ],
    ['a status of its own', /a documented status/, ({ cost = 0 }) => (cost > 900 ? { ...good, status: 418 } : good)],
    ['a field too many', /its contract/, ({ name }) => (name.includes('0') ? { body: { ...good.body, name } } : good)],
    [
      'what was sent, shown again',
      /secret/,
      ({ name }) => ({ ...good, headers: { 'x-name': encodeURIComponent(name) } }),
    ],
  ])('%s', async (_, found, handle) => {
    const { failure = '' } = await fuzz([answering(handle)], { sequences: 30, seed: 1 })
    expect(failure).toMatch(found)
  })
})
