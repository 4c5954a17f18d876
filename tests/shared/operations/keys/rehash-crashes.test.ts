import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { keyDigests } from '../../../../shared/operations/key-digests.ts'
import { rehashKey } from '../../../../shared/operations/keys/rehash-keys.ts'
import { everyPage } from '../../../support/contracts/key-store-contract.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { keyLookupElsewhere } from '../../../support/worlds/key-lookup-elsewhere.ts'
import { type RequestWatch, watchTables } from '../../../support/worlds/watched-tables.ts'

type P = { readonly version: string; readonly bytes: Uint8Array }
const pepper = (version: string): P => ({ version, bytes: randomBytes(32) })
const [p1, p2] = [pepper('p1'), pepper('p2')]
const SECRET = `permas_live_${'a'.repeat(44)}`
/** Two reads, the alias, the replacement. */
const REQUESTS = 4

let azurite: TestAzurite
let tables: TableAccess
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString })
})
afterAll(() => azurite.stop())

class Crash extends Error {}

/** Every crash before a request, and after the store has applied it. */
const crashes: readonly RequestWatch[] = Array.from({ length: REQUESTS }, (_, at) => {
  const crash = (request: number) => {
    if (request === at) throw new Crash(`at request ${at}`)
  }
  return [{ before: crash }, { after: crash }]
}).flat()

const storeWith = (watch: RequestWatch) => tableKeyStore(watchTables(tables, watch))

async function rehashAndCrash(watch: RequestWatch, key: Key, secret: string): Promise<void> {
  await rehashKey({ keys: storeWith(watch) }, key.keyId, keyDigests([p2]).make(secret)).catch((error: unknown) => {
    if (!(error instanceof Crash)) throw error
  })
}

/** The key as an instance with these peppers sees it. */
async function seenBy(peppers: readonly P[], secret: string): Promise<Key | undefined> {
  const lookup = keyLookupElsewhere(fakeServices(), {
    ...{ keys: tableKeyStore(tables), digests: keyDigests(peppers), rehash: () => undefined },
  })
  return (await lookup.find(secret, true)).value
}

async function makeKey(secret: string): Promise<Key> {
  const key = sampleKey(keyDigests([p1]).make(secret))
  await tableKeyStore(tables).create(key)
  return key
}

async function revoke(keyId: string): Promise<void> {
  const store = tableKeyStore(tables)
  const found = await store.findById(everyProvider, keyId)
  const revocation = { at: new Date(), by: 'admin', reason: 'policy', text: null } as const
  if (found) expect(await store.replace({ ...found.value, revocation }, found.version)).toBe('replaced')
}

test('a rehash that crashes at any request leaves one live row, which both peppers find, and can be finished', async () => {
  for (const [index, watch] of crashes.entries()) {
    const secret = `${SECRET}${index}`
    const key = await makeKey(secret)
    await rehashAndCrash(watch, key, secret)
    const store = tableKeyStore(tables)
    const row = (await store.findById(everyProvider, key.keyId))?.value
    expect(row?.digest).toBe(key.digest)
    expect(await seenBy([p2, p1], secret)).toStrictEqual(row)
    expect(await seenBy([p1], secret)).toStrictEqual(row)
    // What is counted under a pepper is found under it alone.
    expect((await seenBy([p2], secret))?.keyId).toBe(row?.pepperVersion === 'p2' ? key.keyId : undefined)
    await rehashAndCrash({}, key, secret)
    expect(await seenBy([p2], secret)).toMatchObject({ keyId: key.keyId, pepperVersion: 'p2' })
    expect(await everyPage(store, oneProvider(key.providerId), 100)).toHaveLength(1)
  }
})

test('a key that is revoked at any moment of a rehash, crashed or not, is revoked under every pepper for good', async () => {
  const moments = Array.from({ length: REQUESTS }, (_, at) => at)
  for (const [index, at] of moments.entries()) {
    for (const crash of [false, true]) {
      const secret = `${SECRET}r${index}${crash}`
      const key = await makeKey(secret)
      const watch: RequestWatch = {
        async after(request) {
          if (request !== at) return
          await revoke(key.keyId)
          if (crash) throw new Crash('after the revocation')
        },
      }
      await rehashAndCrash(watch, key, secret)
      await rehashAndCrash({}, key, secret)
      for (const peppers of [[p1], [p2], [p2, p1]]) {
        expect((await seenBy(peppers, secret))?.revocation?.reason).toBe('policy')
      }
    }
  }
})
