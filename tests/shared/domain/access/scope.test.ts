import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { missingScopes, scopeAllows } from '../../../../shared/domain/access/scope.ts'

const character = fc.constantFrom(...'abz09_.:*-')
const anyScope = fc.string({ unit: character, minLength: 1, maxLength: 8 })
const anyScopes = fc.array(anyScope, { maxLength: 5 })

describe('a granted scope', () => {
  test('allows itself', () => {
    fc.assert(fc.property(anyScope, (scope) => scopeAllows(scope, scope)))
  })

  test('allows everything when it is a star', () => {
    fc.assert(fc.property(anyScope, (scope) => scopeAllows('*', scope)))
  })

  test('allows every longer scope with the prefix before a final :* or .*, and nothing shorter', () => {
    fc.assert(
      fc.property(anyScope, fc.constantFrom(':', '.'), anyScope, (stem, separator, rest) => {
        expect(scopeAllows(`${stem}${separator}*`, `${stem}${separator}${rest}`)).toBe(true)
        expect(scopeAllows(`${stem}${separator}*`, `${stem}${separator}`)).toBe(false)
        expect(scopeAllows(`${stem}${separator}*`, stem)).toBe(false)
      }),
    )
  })

  test('allows only itself when its star is anywhere but after a final : or .', () => {
    const patternless = anyScope.filter((scope) => scope !== '*' && !/[:.]\*$/.test(scope))
    fc.assert(
      fc.property(patternless, anyScope, (granted, required) => {
        expect(scopeAllows(granted, required)).toBe(granted === required)
      }),
    )
    expect(scopeAllows('orders*', 'orders:read')).toBe(false)
    expect(scopeAllows('*:read', 'orders:read')).toBe(false)
    expect(scopeAllows('orders:*:read', 'orders:eu:read')).toBe(false)
  })

  test('that allows a scope allows everything that scope allows', () => {
    const chain = fc.tuple(anyScope, anyScope, anyScope).map(([a, b, c]) => [`${a}:*`, `${a}:${b}:*`, `${a}:${b}:${c}`])
    fc.assert(
      fc.property(fc.oneof(chain, fc.array(anyScope, { minLength: 3, maxLength: 3 })), ([wide, middle, narrow]) => {
        if (wide === undefined || middle === undefined || narrow === undefined) return
        if (scopeAllows(wide, middle) && scopeAllows(middle, narrow)) expect(scopeAllows(wide, narrow)).toBe(true)
      }),
    )
  })

  test('is never widened by what is required: a required star is an ordinary character', () => {
    expect(scopeAllows('orders:read', 'orders:*')).toBe(false)
    expect(scopeAllows('orders:read', '*')).toBe(false)
    expect(scopeAllows('orders:*', 'orders:*')).toBe(true)
  })

  test('is case-sensitive', () => {
    expect(scopeAllows('orders:read', 'Orders:read')).toBe(false)
    expect(scopeAllows('orders:*', 'ORDERS:read')).toBe(false)
  })
})

describe('missing scopes', () => {
  test('are the required scopes that no grant allows, in their order', () => {
    fc.assert(
      fc.property(anyScopes, anyScopes, (granted, required) => {
        const missing = missingScopes(granted, required)
        expect(missing).toEqual(required.filter((scope) => granted.every((grant) => !scopeAllows(grant, scope))))
      }),
    )
  })

  test('never increase with another grant', () => {
    fc.assert(
      fc.property(anyScopes, anyScopes, anyScope, (granted, required, more) => {
        const before = missingScopes(granted, required)
        expect(before).toEqual(expect.arrayContaining(missingScopes([...granted, more], required)))
      }),
    )
  })
})
