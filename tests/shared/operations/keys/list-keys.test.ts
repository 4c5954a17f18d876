import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { type KeyFilter, listKeys } from '../../../../shared/operations/keys/list-keys.ts'
import type { PageRequest } from '../../../../shared/ports/store.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { makeKey } from '../../../support/requests/callers.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

const acme = oneProvider('acme')

async function listAll(services: FakeServices, filter: KeyFilter, limit: number): Promise<Key[]> {
  const all: Key[] = []
  let after: string | null = null
  do {
    const page: Awaited<ReturnType<typeof listKeys>> = await listKeys(services, acme, filter, { limit, after })
    expect(page.items.length).toBeLessThanOrEqual(limit)
    all.push(...page.items)
    after = page.next
  } while (after !== null)
  return all
}

describe('a listing', () => {
  test('returns every matching key exactly once over all pages, whatever their size', async () => {
    const services = fakeServices()
    for (let index = 0; index < 40; index++) {
      await makeKey(services, { ownerId: index % 7 === 0 ? 'ann' : 'bob', name: `Key ${index}` })
      await makeKey(services, { providerId: 'zeta', ownerId: 'ann' })
      await services.time.advance(1)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom(undefined, 'ann', 'eve'),
        async (limit, ownerId) => {
          const names = (await listAll(services, { ownerId }, limit)).map(({ name }) => name)
          const expected = Array.from({ length: 40 }, (_, index) => index).filter(
            (index) => ownerId === undefined || (ownerId === 'ann' && index % 7 === 0),
          )
          expect(names.toSorted()).toEqual(expected.map((index) => `Key ${index}`).toSorted())
        },
      ),
      { numRuns: 30 },
    )
  })

  test('never scans all keys for one page, however rare the match', async () => {
    const asked: PageRequest[] = []
    const services = fakeServices(({ keys }) => ({
      keys: {
        ...keys,
        page: (scope, request) => {
          asked.push(request)
          return keys.page(scope, request)
        },
      },
    }))
    for (let index = 0; index < 400; index++) await makeKey(services)
    for (const limit of [1, 100]) {
      asked.length = 0
      const page = await listKeys(services, acme, { ownerId: 'eve' }, { limit, after: null })
      expect(page.items).toEqual([])
      expect(page.next).not.toBeNull()
      expect(asked.length).toBeLessThanOrEqual(20)
      expect(asked.reduce((sum, request) => sum + request.limit, 0)).toBeLessThanOrEqual(300)
    }
  })
})

test('a filter matches by each of its parts', async () => {
  const services = fakeServices()
  const now = services.clock.now()
  const later = new Date(now.getTime() + 1)
  const revocation = { at: now, by: 'admin', reason: 'policy' as const, text: null }
  const keys = {
    plain: sampleKey({ providerId: 'acme', name: 'plain', environment: 'live', ownerId: 'ann', scopes: ['a:*'] }),
    revoked: sampleKey({ providerId: 'acme', name: 'Revoked', environment: 'test', revocation, scopes: ['a'] }),
    grace: sampleKey({ providerId: 'acme', name: 'reserve', environment: 'test', graceUntil: later, scopes: [] }),
  }
  for (const key of Object.values(keys)) await services.keys.create(key)
  const matching = async (filter: KeyFilter) =>
    (await listAll(services, filter, 100)).map(({ name }) => name).toSorted()
  expect(await matching({})).toEqual(['Revoked', 'plain', 'reserve'])
  expect(await matching({ environment: 'live' })).toEqual(['plain'])
  expect(await matching({ status: 'revoked' })).toEqual(['Revoked'])
  expect(await matching({ status: 'in_grace' })).toEqual(['reserve'])
  expect(await matching({ ownerId: 'ann' })).toEqual(['plain'])
  expect(await matching({ scope: 'a:read' })).toEqual(['plain'])
  expect(await matching({ namePrefix: 're' })).toEqual(['Revoked', 'reserve'])
  expect(await matching({ namePrefix: 're', environment: 'live' })).toEqual([])
  expect((await services.keys.findById(everyProvider, keys.plain.keyId))?.value).toEqual(keys.plain)
})
