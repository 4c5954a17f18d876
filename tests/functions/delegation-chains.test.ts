import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { rulesWithin } from '../../shared/domain/access/ip-rule.ts'
import { oneProvider } from '../../shared/domain/access/provider-scope.ts'
import { endsAt } from '../../shared/domain/keys/key.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeKey } from '../support/requests/callers.ts'

const DAY_MS = 86_400_000
const start = new Date('2026-11-22T16:00:00Z').getTime()
const root = {
  kind: 'management',
  environment: null,
  providerId: 'acme',
  scopes: ['keys:write', 'keys:revoke', 'keys:read'],
  ipRestrictions: ['10.0.0.0/8'],
  expiresAt: new Date(start + 10 * DAY_MS),
} as const

const scopes = fc.subarray(['keys:write', 'keys:revoke', 'keys:read', 'usage:read', 'providers:admin'], {
  minLength: 1,
})
const expires_at = fc.constantFrom(null, ...[1, 9, 10, 11, 400].map((days) => new Date(start + days * DAY_MS)))
const ip_restrictions = fc.constantFrom(
  [],
  ['10.0.0.0/8'],
  ['10.1.0.0/16'],
  ['10.1.2.3'],
  ['8.0.0.0/6'],
  ['10.1.2.3', '::1'],
)
const place = fc.nat({ max: 50 })
const policy = fc.record({ scopes, expires_at, ip_restrictions }, { requiredKeys: ['scopes'] })

/** One call by one of the keys that an attacker holds, about another of them. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('generate' as const), by: place, json: policy }),
  fc.record({ kind: fc.constant('patch' as const), by: place, on: place, json: policy }),
  fc.record({
    ...{ kind: fc.constant('rotate' as const), by: place, on: place },
    json: fc.record(
      { expires_at, grace_period_seconds: fc.constantFrom(0, 60) },
      { requiredKeys: ['grace_period_seconds'] },
    ),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer Drawn> ? Drawn : never

interface Held {
  readonly keyId: string
  readonly secret: string
}

/** Carries a step out with held keys. Returns the new one, if the step made one. */
async function carryOut(services: FakeServices, held: readonly Held[], { kind, by, json, ...rest }: Step) {
  const pick = (index: number) => held[index % held.length]
  const options = { key: pick(by)?.secret ?? null, headers: { 'x-forwarded-for': '10.1.2.3' } }
  if (kind === 'generate') {
    const { status, body } = await call(keysGenerate, services, {
      ...options,
      json: { kind: 'management', name: 'n', ...json },
    })
    return { status, made: body.key && { keyId: body.key_id, secret: body.key } }
  }
  const params = { token_id: pick('on' in rest ? rest.on : 0)?.keyId ?? '' }
  const { status, body } = await call(kind === 'patch' ? keysPatch : keysRotate, services, { ...options, params, json })
  return { status, made: kind === 'rotate' && body.key && { keyId: body.key_id, secret: body.key } }
}

test('no chain of calls by a key and by what it makes gives a key more than the first one has', async () => {
  const statuses = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const services = fakeServices()
      const first = await makeKey(services, root)
      const held: Held[] = [{ keyId: first.key.keyId, secret: first.secret }]
      for (const one of steps) {
        const { status, made } = await carryOut(services, held, one)
        statuses.add(`${one.kind} ${status}`)
        if (made) held.push(made)
      }
      for (const key of (await services.keys.page(oneProvider('acme'), { limit: 100, after: null })).items) {
        expect(key.scopes.filter((scope) => !root.scopes.some((own) => own === scope))).toEqual([])
        expect(endsAt(key)).toBeLessThanOrEqual(root.expiresAt.getTime())
        expect([key.ipRestrictions, rulesWithin(key.ipRestrictions, root.ipRestrictions)]).toEqual([
          expect.anything(),
          true,
        ])
      }
    }),
    { numRuns: 150 },
  )
  expect([...statuses]).toEqual(
    expect.arrayContaining(['generate 201', 'generate 403', 'patch 200', 'patch 403', 'rotate 201', 'rotate 403']),
  )
})
