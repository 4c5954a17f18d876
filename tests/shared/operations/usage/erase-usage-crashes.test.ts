import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableChangeFeed } from '../../../../shared/adapters/tables/change-feed.ts'
import { tableErasureStore } from '../../../../shared/adapters/tables/erasure-store.ts'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { tablePoisonStore } from '../../../../shared/adapters/tables/poison-store.ts'
import type { Table } from '../../../../shared/adapters/tables/table.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableUsageMonths } from '../../../../shared/adapters/tables/usage-months.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { eraseUsage } from '../../../../shared/operations/usage/erase-usage.ts'
import { erasableUsage } from '../../../support/contracts/table-contracts.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { keyInShard } from '../../../support/samples/usage-samples.ts'
import {
  completeErasure,
  countsOf,
  type ErasureStores,
  erasedTexts,
  requestErasure,
  seedErasure,
  textsLeftOf,
} from '../../../support/worlds/erasure-world.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

class Killed extends Error {}
const writes = ['create', 'replace', 'put', 'upsert', 'remove', 'transact'] as const satisfies readonly (keyof Table)[]

/** The tables as a process sees them that is killed right after its n-th write. */
function killedAfter(tables: TableAccess, limit: number): TableAccess {
  let made = 0
  const mortal = (name: string) => {
    const table = tables.table(name)
    const alive = () => {
      if (made >= limit) throw new Killed()
    }
    const write =
      (method: (typeof writes)[number]) =>
      async (...args: readonly unknown[]) => {
        alive()
        made++
        const result = await Reflect.apply(table[method], table, args)
        alive()
        return result
      }
    const get: Table['get'] = async (...address) => {
      alive()
      return table.get(...address)
    }
    return { ...table, get, ...Object.fromEntries(writes.map((method) => [method, write(method)])) }
  }
  return { table: mortal }
}

let worlds = 0

/** A world of its own in new tables, at 16:20 UTC on 22 November 2026. */
async function makeWorld() {
  const all = tableAccess({ connectionString: azurite.connectionString })
  const suffix = `w${++worlds}`
  const tables: TableAccess = { table: (name) => all.table(`${name}${suffix}`) }
  const services = fakeServices()
  const on = (access: TableAccess): ErasureStores => {
    const keys = tableKeyStore(access)
    const usage = erasableUsage(access)
    return {
      ...services,
      ...{ ...usage, keys, ending: { keys }, feed: tableChangeFeed(access), erasures: tableErasureStore(access) },
      ...{ poisoned: tablePoisonStore(access), months: tableUsageMonths(access), copies: usage.reports },
    }
  }
  const dated = { providerId: 'acme', createdAt: new Date('2026-11-20T10:00:00.000Z'), ownerId: 'ann@example.com' }
  const texts = { ...dated, name: 'Phone of Ann', ipRestrictions: ['192.0.2.7'] }
  const [key, other] = [keyInShard('03'), keyInShard('03', 1)].map((keyId) => sampleKey({ ...texts, keyId }))
  if (key === undefined || other === undefined) throw new Error('two keys')
  await seedErasure(on(tables), key, other)
  return { services, key, other, stores: on(tables), mortal: (limit: number) => on(killedAfter(tables, limit)) }
}

const settle = (services: ReturnType<typeof fakeServices>) => () => services.time.advance(16 * 60_000)

test('an erasure that is killed after any write is completed by later runs, with the same sums and no text left', async () => {
  let finished = false
  let kills = 0
  for (let limit = 1; !finished; limit++) {
    const { services, key, other, stores, mortal } = await makeWorld()
    const [before, othersBefore] = [await countsOf(stores, key), await countsOf(stores, other)]
    const othersTexts = await textsLeftOf(stores, other)
    expect(await textsLeftOf(stores, key)).toEqual(erasedTexts)
    const process = mortal(limit)
    try {
      await requestErasure(process, key)
      await completeErasure(process, settle(services))
      finished = true
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      kills++
    }
    await completeErasure(stores, settle(services))
    expect(await countsOf(stores, key)).toEqual(before)
    expect(await countsOf(stores, other)).toEqual(othersBefore)
    expect((await stores.keys.findById(everyProvider, key.keyId))?.value.name).toBe('erased')
    expect(await textsLeftOf(stores, key)).toEqual([])
    expect(await textsLeftOf(stores, other)).toEqual(othersTexts)
  }
  expect(kills).toBeGreaterThan(25)
}, 120_000)

test('two runs at once end with the same sums and no text', async () => {
  const { services, key, stores } = await makeWorld()
  const before = await countsOf(stores, key)
  await requestErasure(stores, key)
  for (let runs = 0; runs < 3; runs++) {
    await Promise.all([eraseUsage(stores, 60), eraseUsage(stores, 60)])
    await settle(services)()
  }
  expect((await stores.erasures.page({ limit: 1, after: null })).items).toEqual([])
  expect(await countsOf(stores, key)).toEqual(before)
  expect(await textsLeftOf(stores, key)).toEqual([])
})
