import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { keyStoreContract } from '../../../support/contracts/key-store-contract.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const connection = () => ({ connectionString: azurite.connectionString })

keyStoreContract('memory', memoryKeyStore)
keyStoreContract('Azurite', () => tableKeyStore(tableAccess(connection())))
keyStoreContract('Azurite with shuffled queries', () =>
  tableKeyStore(tableAccess({ ...connection(), wrapClient: shuffleQueries })),
)

describe('a key store over a network that loses replies', () => {
  const store = () =>
    tableKeyStore(
      tableAccess({ ...connection(), wrapClient: (client) => loseReplies(client, ({ method }) => method !== 'GET') }),
    )

  test('a create that won returns `created`, though the retry found the row there', async () => {
    const key = sampleKey()
    expect(await store().create(key)).toBe('created')
    expect((await store().findById(everyProvider, key.keyId))?.value).toStrictEqual(key)
  })

  test('a replacement that won returns `replaced`, though the retry found the version gone', async () => {
    const key = sampleKey()
    await store().create(key)
    const version = (await store().findById(everyProvider, key.keyId))?.version ?? ''
    expect(await store().replace({ ...key, name: 'Renamed' }, version)).toBe('replaced')
    expect(await store().replace({ ...key, name: 'Too late' }, version)).toBe('stale')
    expect((await store().findById(everyProvider, key.keyId))?.value.name).toBe('Renamed')
  })
})

describe('the cost of a lookup', () => {
  test('by digest is one request, by id two, and by id one where the id is unknown or another provider’s', async () => {
    const requests: string[] = []
    const store = tableKeyStore(
      tableAccess({
        ...connection(),
        wrapClient: (client) =>
          loseReplies(client, ({ url }) => {
            requests.push(url)
            return false
          }),
      }),
    )
    const key = sampleKey()
    await store.create(key)
    const cost = async (work: () => Promise<unknown>) => {
      requests.length = 0
      await work()
      return requests.length
    }
    expect(await cost(() => store.findByDigest(everyProvider, key.digest))).toBe(1)
    expect(await cost(() => store.findById(everyProvider, key.keyId))).toBe(2)
    expect(await cost(() => store.findById(everyProvider, sampleKey().keyId))).toBe(1)
    expect(await cost(() => store.findById(oneProvider('other'), key.keyId))).toBe(1)
  })
})
