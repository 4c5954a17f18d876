import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableChangeFeed } from '../../../../shared/adapters/tables/change-feed.ts'
import { feedSweeper } from '../../../../shared/adapters/tables/sweepers.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { changeFeedContract } from '../../../support/contracts/change-feed-contract.ts'
import { memoryChangeFeed } from '../../../support/memory/memory-change-feed.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

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
changeFeedContract('Azurite', () => tableChangeFeed(tables()))
changeFeedContract('Azurite with shuffled queries', () => tableChangeFeed(tables({ wrapClient: shuffleQueries })))

test('entries older than a day are swept, and no younger ones', async () => {
  const access = tables()
  const feed = tableChangeFeed(access)
  const provider = (providerId: string) => ({ kind: 'provider', providerId }) as const
  await feed.append(provider('old'), new Date('2026-11-21T15:59:59.999Z'))
  await feed.append(provider('young'), new Date('2026-11-21T16:00:00.000Z'))
  const step = await feedSweeper(access).step(new Date('2026-11-22T16:30:00.000Z'), null)
  expect(step).toMatchObject({ removed: 1, next: null })
  const remaining = await feed.read(new Date('2026-11-21T15:00:00.000Z'), new Date('2026-11-21T16:00:00.000Z'))
  expect(remaining.map(({ change }) => change)).toEqual([provider('young')])
})
