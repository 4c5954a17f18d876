import { describe, expect, test } from 'vitest'
import { limitsOf, policyName } from '../../../../shared/domain/keys/key-limits.ts'
import type { Provider } from '../../../../shared/domain/keys/provider.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const at = new Date('2026-11-22T16:00:00.000Z')
const quotas = { requestsPerDay: null, requestsPerMonth: null, maxKeys: 1, keysPerHour: 1 }
const rate = (name: string) => ({ name, limit: 5, windowSeconds: 60, strategy: 'sliding_window' as const })

function providerWith(change: Partial<Provider>): Provider {
  return {
    ...{ providerId: 'acme', name: null, status: 'active', failMode: 'open', rateLimits: [], quotas },
    ...{ createdAt: at, updatedAt: at, updatedBy: 'admin', lineage: null },
    ...change,
  }
}

describe('the limits of a use', () => {
  test('are none, without an allocation, for a key without limits and a provider with quotas on new keys only', () => {
    const key = sampleKey({ providerId: 'acme' })
    expect(limitsOf(key, undefined)).toEqual([])
    expect(limitsOf(key, providerWith({}))).toBe(limitsOf(key, undefined))
  })

  test('come in the order of the contract: rate limits of key and provider, then quotas of key and provider', () => {
    const key = sampleKey({
      ...{ keyId: '01K', providerId: 'acme', rateLimits: [rate('burst'), rate('hourly')] },
      quota: { limit: 100, period: 'month' },
    })
    const provider = providerWith({
      rateLimits: [{ name: 'burst', limit: 9, windowSeconds: 10, strategy: 'fixed_window' }],
      quotas: { ...quotas, requestsPerDay: 1000, requestsPerMonth: 9000 },
    })
    expect(limitsOf(key, provider).map(({ subject, name, limit, window }) => [subject, name, limit, window])).toEqual([
      ['key:01K', 'burst', 5, { kind: 'sliding', seconds: 60 }],
      ['key:01K', 'hourly', 5, { kind: 'sliding', seconds: 60 }],
      ['provider:acme', 'burst', 9, { kind: 'fixed', seconds: 10 }],
      ['quota:key:01K', 'requests_per_month', 100, { kind: 'month' }],
      ['quota:provider:acme', 'requests_per_day', 1000, { kind: 'day' }],
      ['quota:provider:acme', 'requests_per_month', 9000, { kind: 'month' }],
    ])
  })

  test('are each counted and shown under a unique name, whatever the rate limits are called', () => {
    const names = ['requests_per_day', 'requests_per_month', 'quota', 'provider']
    const key = sampleKey({ providerId: 'acme', rateLimits: names.map(rate), quota: { limit: 1, period: 'day' } })
    const full = { ...quotas, requestsPerDay: 1, requestsPerMonth: 1 }
    const limits = limitsOf(key, providerWith({ rateLimits: names.map(rate), quotas: full }))
    expect(limits).toHaveLength(11)
    expect(new Set(limits.map(({ subject, name }) => `${subject}|${name}`)).size).toBe(11)
    expect(new Set(limits.map(policyName)).size).toBe(11)
    for (const limit of limits) expect(policyName(limit)).toMatch(/^[a-z0-9._-]+$/)
  })

  test('fit into a row key even with the longest names', () => {
    const id = 'p'.repeat(63)
    const provider = providerWith({ providerId: id, rateLimits: [rate('l'.repeat(63))] })
    for (const { subject, name } of limitsOf(sampleKey({ providerId: id }), provider)) {
      expect(subject.length).toBeLessThanOrEqual(160)
      expect(`${subject}|${name}`).toMatch(/^[\x21-\x7e]{1,255}$/)
    }
  })
})
