import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { pointerSweeper } from '../../../../shared/adapters/tables/sweepers.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { everyProvider, oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { everyPage } from '../../../support/contracts/key-store-contract.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'
import { type RequestWatch, watchTables } from '../../../support/worlds/watched-tables.ts'

let azurite: TestAzurite
let tables: TableAccess
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })
})
afterAll(() => azurite.stop())

class Crash extends Error {}

/** Every crash at one of the first requests: before it, or after the store has applied it. The last may never happen. */
function everyCrash(requests: number): RequestWatch[] {
  return Array.from({ length: requests }, (_, at) => {
    const crash = (request: number) => {
      if (request === at) throw new Crash(`at request ${at}`)
    }
    return [{ before: crash }, { after: crash }]
  }).flat()
}

function pairs<A, B>(left: readonly A[], right: readonly B[]): [A, B][] {
  return left.flatMap((a) => right.map((b): [A, B] => [a, b]))
}

/** A create sends 3 requests without a crash, and at most 6 when it takes over from another. */
const REQUESTS = 3
const TAKEOVER_REQUESTS = 7

const createWith = (watch: RequestWatch, key: Key) => tableKeyStore(watchTables(tables, watch)).create(key)

/** Runs a create that may crash, and returns its outcome. */
async function createAndCrash(watch: RequestWatch, key: Key): Promise<'crashed' | 'created' | 'exists'> {
  return createWith(watch, key).catch((error: unknown) => {
    if (error instanceof Crash) return 'crashed' as const
    throw error
  })
}

type Attempts = readonly [Key, Key, Key]

/** Attempts to create one key: the same id, time and provider, and a secret of its own for each. */
function attemptsAtOneKey(): Attempts {
  const { keyId, providerId, createdAt } = sampleKey()
  const attempt = () => sampleKey({ keyId, providerId, createdAt })
  return [attempt(), attempt(), attempt()]
}

/** The one key that exists, of all the attempts; checks that every lookup agrees. */
async function survivor(attempts: Attempts): Promise<Key | undefined> {
  const store = tableKeyStore(tables)
  const found = await Promise.all(attempts.map(({ digest }) => store.findByDigest(everyProvider, digest)))
  const survived = found.filter((key) => key !== undefined)
  const [{ keyId, providerId }] = attempts
  expect(survived.length).toBeLessThanOrEqual(1)
  expect((await store.findById(everyProvider, keyId))?.value).toStrictEqual(survived[0])
  expect(await everyPage(store, oneProvider(providerId), 100)).toStrictEqual(survived)
  return survived[0]
}

async function sweepPointers(): Promise<number> {
  const inElevenMinutes = new Date(Date.now() + 11 * 60_000)
  let removed = 0
  for (const name of ['keyids', 'keysbyprovider'] as const) {
    const sweeper = pointerSweeper(tables, name)
    for (let after: string | null = null; ; ) {
      const step = await sweeper.step(inElevenMinutes, after)
      removed += step.removed
      if (step.next === null) break
      after = step.next
    }
  }
  return removed
}

describe('a create that crashes', () => {
  test('at any request leaves the whole key or nothing that a reader could see, and the sweep removes dangling pointers', async () => {
    const outcomes = new Set<string>()
    for (const watch of everyCrash(REQUESTS + 1)) {
      const attempts = attemptsAtOneKey()
      const outcome = await createAndCrash(watch, attempts[0])
      const survived = await survivor(attempts)
      outcomes.add(`${outcome}, ${survived ? 'there' : 'not there'}`)
      await sweepPointers()
      expect(await survivor(attempts)).toStrictEqual(survived)
      const pointer = await tables.table('keyids').get(attempts[0].keyId, 'pointer')
      expect(pointer?.digest).toBe(survived?.digest)
    }
    expect(outcomes).toStrictEqual(new Set(['crashed, not there', 'crashed, there', 'created, there']))
    expect(await sweepPointers()).toBe(0)
  })

  test('at any request can be retried with the very same key', async () => {
    for (const watch of everyCrash(REQUESTS)) {
      const attempts = attemptsAtOneKey()
      await createAndCrash(watch, attempts[0])
      const survived = await survivor(attempts)
      expect(await createWith({}, attempts[0])).toBe(survived === undefined ? 'created' : 'exists')
      expect(await survivor(attempts)).toStrictEqual(attempts[0])
    }
  })

  test('at any request lets a second attempt with the same id finish, and a third where that crashes too: one key exists', async () => {
    for (const [first, second] of pairs(everyCrash(REQUESTS), everyCrash(TAKEOVER_REQUESTS))) {
      const attempts = attemptsAtOneKey()
      await createAndCrash(first, attempts[0])
      await createAndCrash(second, attempts[1])
      const survived = await survivor(attempts)
      expect(await createWith({}, attempts[2])).toBe(survived === undefined ? 'created' : 'exists')
      expect(await survivor(attempts)).toStrictEqual(survived ?? attempts[2])
    }
  })
})

describe('a create that stalls', () => {
  /** Creates a key, and runs `meanwhile` while the create is held back before request `at`. */
  async function createAround(at: number, key: Key, meanwhile: () => Promise<unknown>): Promise<'created' | 'exists'> {
    return createWith({ before: async (request) => void (request === at && (await meanwhile())) }, key)
  }

  test.each([0, 1, 2])(
    'at request %i while another attempt takes its id over is refused: one key exists',
    async (at) => {
      const attempts = attemptsAtOneKey()
      let takeover: string | undefined
      const stalled = await createAround(at, attempts[0], async () => {
        takeover = await createWith({}, attempts[1])
      })
      expect([stalled, takeover]).toStrictEqual(['exists', 'created'])
      expect(await survivor(attempts)).toStrictEqual(attempts[1])
    },
  )

  test('at any request while a takeover crashes at any of its own leaves one whole key or none, and a third attempt finishes', async () => {
    for (const [at, crash] of pairs([0, 1, 2], everyCrash(TAKEOVER_REQUESTS))) {
      const attempts = attemptsAtOneKey()
      const stalled = await createAround(at, attempts[0], () => createAndCrash(crash, attempts[1]))
      const survived = await survivor(attempts)
      if (stalled === 'created') expect(survived).toStrictEqual(attempts[0])
      await createWith({}, attempts[2])
      expect(await survivor(attempts)).toStrictEqual(survived ?? attempts[2])
    }
  })

  test('until its pointers were swept is refused', async () => {
    await sweepPointers()
    const attempts = attemptsAtOneKey()
    const stalled = await createAround(REQUESTS - 1, attempts[0], async () => {
      expect(await sweepPointers()).toBe(2)
    })
    expect(stalled).toBe('exists')
    expect(await survivor(attempts)).toBeUndefined()
  })
})
