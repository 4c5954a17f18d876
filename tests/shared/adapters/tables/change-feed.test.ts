import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableChangeFeed } from '../../../../shared/adapters/tables/change-feed.ts'
import { feedSweeper } from '../../../../shared/adapters/tables/sweepers.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { changeFeedContract } from '../../../support/contracts/change-feed-contract.ts'
import { memoryChangeFeed } from '../../../support/memory/memory-change-feed.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'
import { atStoreTime } from '../../../support/worlds/store-clock.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

let made = 0
/** Tables of their own for each feed, since every feed has the same name. */
const tables = (options: Partial<Parameters<typeof tableAccess>[0]> = {}) => {
  const access = tableAccess({ connectionString: azurite.connectionString, ...options })
  const suffix = `t${++made}`
  return { table: (name: string) => access.table(`${name}${suffix}`) }
}

changeFeedContract('memory', memoryChangeFeed)
changeFeedContract('Azurite', (clock) => tableChangeFeed(atStoreTime(tables(), clock)))
changeFeedContract('Azurite with shuffled queries', (clock) =>
  tableChangeFeed(atStoreTime(tables({ wrapClient: shuffleQueries }), clock)),
)

test.each([-3_600_000, -45_000, 0, 60_000])(
  'by the clock of Azurite itself: a change of a writer whose clock is %d ms off is where a reader looks',
  async (offMs) => {
    const feed = tableChangeFeed(tables())
    const { at } = await feed.read(new Date(), new Date())
    const storeMs = at?.fromMs ?? Number.NaN
    await feed.append({ kind: 'provider', providerId: 'acme' }, new Date(Date.now() + offMs))
    const { changes } = await feed.read(new Date(storeMs - 1000), new Date(storeMs + 30_000))
    expect(changes[0]).toMatchObject({ change: { providerId: 'acme' } })
  },
)

test('entries older than a day are swept, and no younger ones', async () => {
  let now = new Date('2026-11-21T15:59:59.999Z')
  const access = atStoreTime(tables(), { now: () => now })
  const feed = tableChangeFeed(access)
  const provider = (providerId: string) => ({ kind: 'provider', providerId }) as const
  await feed.append(provider('old'), now)
  now = new Date('2026-11-21T16:00:00.000Z')
  await feed.append(provider('young'), now)
  const step = await feedSweeper(access).step(new Date('2026-11-22T16:30:00.000Z'), null)
  expect(step).toMatchObject({ removed: 1, next: null })
  const { changes: remaining } = await feed.read(
    new Date('2026-11-21T15:00:00.000Z'),
    new Date('2026-11-21T16:00:00.000Z'),
  )
  expect(remaining.map(({ change }) => change)).toEqual([provider('young')])
})
