import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableEventIds } from '../../../../shared/adapters/tables/event-ids.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { eventIdsContract } from '../../../support/contracts/event-ids-contract.ts'
import { memoryEventIds } from '../../../support/memory/memory-event-ids.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const idsBehind = (wrapClient: typeof shuffleQueries) =>
  tableEventIds(tableAccess({ connectionString: azurite.connectionString, wrapClient }))
const owner = { batchId: 'orders-1', attempt: 'one', expiresAt: new Date('2026-12-29T16:00:00.000Z') }

eventIdsContract('memory', memoryEventIds)
eventIdsContract('Azurite', () => idsBehind((client) => client))
eventIdsContract('Azurite with shuffled queries', () => idsBehind(shuffleQueries))

test('over a network that loses the reply to a transaction, its ids are claimed and are its own', async () => {
  const ids = idsBehind((client) => loseReplies(client, ({ url }) => url.endsWith('$batch')))
  const scope = oneProvider('lossy')
  // Few partitions: half of twenty requests that fail would open the circuit breaker.
  const wanted = Array.from({ length: 5 }, (_, number) => `event-${number}`)
  expect(await ids.claim(scope, wanted, owner, [])).toEqual([])
})

test('10,000 ids take 112 transactions at most, 16 partitions with 100 ids to each; held by others, one query more for each', async () => {
  let transactions = 0
  const ids = idsBehind((client) => {
    const policy: Parameters<typeof client.pipeline.addPolicy>[0] = {
      name: 'count',
      sendRequest: (request, next) => {
        transactions++
        return next(request)
      },
    }
    client.pipeline.addPolicy(policy, { afterPhase: 'Sign' })
    return client
  })
  const scope = oneProvider('bulk')
  await ids.claim(scope, ['warm-up'], owner, [])
  transactions = 0
  const wanted = Array.from({ length: 10_000 }, (_, number) => `event-${number}`)
  expect(await ids.claim(scope, wanted, owner, [])).toEqual([])
  expect(transactions).toBeLessThanOrEqual(116)
  transactions = 0
  const another = { ...owner, attempt: 'two' }
  expect(await ids.claim(scope, wanted, another, [])).toHaveLength(10_000)
  expect(transactions).toBeLessThanOrEqual(2 * 116)
})
