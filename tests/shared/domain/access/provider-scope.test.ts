import { expect, test } from 'vitest'
import { covers, everyProvider, narrow, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { memoryProviderStore } from '../../../support/memory/memory-provider-store.ts'

test('the scope of one provider covers that provider, no other, and no key over all providers', () => {
  expect(covers(oneProvider('acme'), 'acme')).toBe(true)
  for (const other of ['acm', 'acme2', 'ACME', '', '*']) expect(covers(oneProvider('acme'), other)).toBe(false)
})

test('the scope over all covers every provider, and keys over all of them', () => {
  for (const providerId of ['acme', 'zeta', '*']) expect(covers(everyProvider, providerId)).toBe(true)
})

test('a scope is narrowed to a provider that it covers, and to no other', () => {
  expect(narrow(everyProvider, 'acme')).toEqual(oneProvider('acme'))
  expect(narrow(oneProvider('acme'), 'acme')).toEqual(oneProvider('acme'))
  expect(narrow(oneProvider('acme'), 'zeta')).toBeUndefined()
})

test('a query without a scope does not compile', () => {
  const neverCalled = () => {
    // @ts-expect-error A bare id is no scope.
    void memoryKeyStore().findById('acme', '01')
    // @ts-expect-error Nor is an object that looks like one.
    void memoryKeyStore().findByDigest({ kind: 'one', providerId: 'acme' }, '01')
    // @ts-expect-error A listing is of one provider, never of all.
    void memoryKeyStore().page(everyProvider, { limit: 1, after: null })
    // @ts-expect-error
    void memoryProviderStore().find('acme')
  }
  expect(neverCalled).toBeTypeOf('function')
})
