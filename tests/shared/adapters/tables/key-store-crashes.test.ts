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

/** Every way to die at one of the first requests: before it, or after the store has done it. The last ones may never come. */
function everyCrash(requests: number): RequestWatch[] {
  return Array.from({ length: requests }, (_, at) => {
    const die = (request: number) => {
      if (request === at) throw new Crash(`at request ${at}`)
    }
    return [{ before: die }, { after: die }]
  }).flat()
}

function pairs<A, B>(left: readonly A[], right: readonly B[]): [A, B][] {
  return left.flatMap((a) => right.map((b): [A, B] => [a, b]))
}

/** A create without trouble sends 3 requests; one that takes over from another at most 6. */
const REQUESTS = 3
const TAKEOVER_REQUESTS = 7

const createWith = (watch: RequestWatch, key: Key) => tableKeyStore(watchTables(tables, watch)).create(key)

/** A create that may die; whether it did. */
async function createAndDie(watch: RequestWatch, key: Key): Promise<'died' | 'created' | 'exists'> {
  return createWith(watch, key).catch((error: unknown) => {
    if (error instanceof Crash) return 'died' as const
    throw error
  })
}

type Tries = readonly [Key, Key, Key]

/** Tries to make one key: each has the id, time and provider of the others, and a secret of its own. */
function triesOfOneKey(): Tries {
  const { keyId, providerId, createdAt } = sampleKey()
  const oneTry = () => sampleKey({ keyId, providerId, createdAt })
  return [oneTry(), oneTry(), oneTry()]
}

/** The one key that lives, of all the tries; checks that every way to it agrees. */
async function theLiving(tries: Tries): Promise<Key | undefined> {
  const store = tableKeyStore(tables)
  const found = await Promise.all(tries.map(({ digest }) => store.findByDigest(everyProvider, digest)))
  const living = found.filter((key) => key !== undefined)
  const [{ keyId, providerId }] = tries
  expect(living.length).toBeLessThanOrEqual(1)
  expect((await store.findById(everyProvider, keyId))?.value).toStrictEqual(living[0])
  expect(await everyPage(store, oneProvider(providerId), 100)).toStrictEqual(living)
  return living[0]
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

describe('a create that dies', () => {
  test('at any request leaves the whole key or nothing that a reader could see, and the sweep clears what dangles', async () => {
    const outcomes = new Set<string>()
    for (const watch of everyCrash(REQUESTS + 1)) {
      const tries = triesOfOneKey()
      const outcome = await createAndDie(watch, tries[0])
      const living = await theLiving(tries)
      outcomes.add(`${outcome}, ${living ? 'there' : 'not there'}`)
      await sweepPointers()
      expect(await theLiving(tries)).toStrictEqual(living)
      const pointer = await tables.table('keyids').get(tries[0].keyId, 'pointer')
      expect(pointer?.digest).toBe(living?.digest)
    }
    expect(outcomes).toStrictEqual(new Set(['died, not there', 'died, there', 'created, there']))
    expect(await sweepPointers()).toBe(0)
  })

  test('at any request can be tried again with the very same key', async () => {
    for (const watch of everyCrash(REQUESTS)) {
      const tries = triesOfOneKey()
      await createAndDie(watch, tries[0])
      const living = await theLiving(tries)
      expect(await createWith({}, tries[0])).toBe(living === undefined ? 'created' : 'exists')
      expect(await theLiving(tries)).toStrictEqual(tries[0])
    }
  })

  test('at any request lets a second try with the same id finish, and a third where that dies too: one key lives', async () => {
    for (const [first, second] of pairs(everyCrash(REQUESTS), everyCrash(TAKEOVER_REQUESTS))) {
      const tries = triesOfOneKey()
      await createAndDie(first, tries[0])
      await createAndDie(second, tries[1])
      const living = await theLiving(tries)
      expect(await createWith({}, tries[2])).toBe(living === undefined ? 'created' : 'exists')
      expect(await theLiving(tries)).toStrictEqual(living ?? tries[2])
    }
  })
})

describe('a create that stalls', () => {
  /** Creates a key, and runs `meanwhile` while the create is held back before request `at`. */
  async function createAround(at: number, key: Key, meanwhile: () => Promise<unknown>): Promise<'created' | 'exists'> {
    return createWith({ before: async (request) => void (request === at && (await meanwhile())) }, key)
  }

  test.each([0, 1, 2])('at request %i while another try takes its id over is refused: one key lives', async (at) => {
    const tries = triesOfOneKey()
    let takeover: string | undefined
    const stalled = await createAround(at, tries[0], async () => {
      takeover = await createWith({}, tries[1])
    })
    expect([stalled, takeover]).toStrictEqual(['exists', 'created'])
    expect(await theLiving(tries)).toStrictEqual(tries[1])
  })

  test('at any request while a takeover dies at any of its own leaves one whole key or none, and a third try finishes', async () => {
    for (const [at, crash] of pairs([0, 1, 2], everyCrash(TAKEOVER_REQUESTS))) {
      const tries = triesOfOneKey()
      const stalled = await createAround(at, tries[0], () => createAndDie(crash, tries[1]))
      const living = await theLiving(tries)
      if (stalled === 'created') expect(living).toStrictEqual(tries[0])
      await createWith({}, tries[2])
      expect(await theLiving(tries)).toStrictEqual(living ?? tries[2])
    }
  })

  test('until its pointers were swept away is refused', async () => {
    await sweepPointers()
    const tries = triesOfOneKey()
    const stalled = await createAround(REQUESTS - 1, tries[0], async () => {
      expect(await sweepPointers()).toBe(2)
    })
    expect(stalled).toBe('exists')
    expect(await theLiving(tries)).toBeUndefined()
  })
})
