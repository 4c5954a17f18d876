import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableKeyCountStore } from '../../../../shared/adapters/tables/key-count-store.ts'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { keyReservations } from '../../../../shared/operations/keys/key-reservations.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey, sampleProviderId } from '../../../support/samples/sample-keys.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const scheduler = {
  after: (delayMs: number, task: () => void) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

test('of three instances that make keys at once on the same tables, no more than the quota allows are made', async () => {
  const tables = tableAccess({ connectionString: azurite.connectionString })
  const keys = tableKeyStore(tables)
  const keyCounts = tableKeyCountStore(tables)
  const clock = { now: () => new Date(), monotonicMs: () => performance.now() }
  const instances = Array.from({ length: 3 }, () =>
    keyReservations({ keys, keyCounts, clock, scheduler, jitter: Math.random }),
  )
  const providerId = sampleProviderId()
  for (let made = 0; made < 3; made++) await keys.create(sampleKey({ providerId }))
  const make = async (index: number) => {
    const reservations = instances[index % 3]
    const key = sampleKey({ providerId })
    const request = { providerId, keyId: key.keyId, maxKeys: 5, providerUpdatedAt: new Date(0) }
    if ((await reservations?.reserve(request)) !== 'reserved') return 'full'
    await keys.create(key)
    await reservations?.complete(providerId, key.keyId, true)
    return 'made'
  }
  const results = await Promise.all(Array.from({ length: 30 }, (_, index) => make(index)))
  expect(results.filter((result) => result === 'made')).toHaveLength(2)
  expect((await keys.page(oneProvider(providerId), { limit: 100, after: null })).items).toHaveLength(5)
  expect((await keyCounts.find(oneProvider(providerId)))?.value).toMatchObject({ keys: 5, pending: [] })
})
