import { TableClient } from '@azure/data-tables'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tableLimitStore } from '../../../../shared/adapters/tables/limit-store.ts'
import { serverInstant } from '../../../../shared/adapters/tables/server-time.ts'
import { expirySweeper } from '../../../../shared/adapters/tables/sweepers.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { limitStoreContract } from '../../../support/contracts/limit-store-contract.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'
import { memoryLimitStore } from '../../../support/memory/memory-limit-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const connection = () => ({ connectionString: azurite.connectionString })

limitStoreContract('memory', () => memoryLimitStore(manualTime().clock))
limitStoreContract('Azurite', () => tableLimitStore(tableAccess(connection())))
limitStoreContract('Azurite with shuffled queries', () =>
  tableLimitStore(tableAccess({ ...connection(), wrapClient: shuffleQueries })),
)
limitStoreContract('Azurite over a network that loses the first reply to every write', () =>
  tableLimitStore(
    tableAccess({ ...connection(), wrapClient: (client) => loseReplies(client, ({ method }) => method !== 'GET') }),
  ),
)

describe('the time of the server', () => {
  test('is the timestamp of the row itself', async () => {
    const store = tableLimitStore(tableAccess(connection()))
    const limit = { subject: 'key:time', name: 'l', limit: 1, window: { kind: 'sliding', seconds: 60 } } as const
    const record = { division: 's60000/60', policy: { version: 0, limit: 1 }, cells: new Map(), writers: new Map() }
    const before = Date.now()
    const result = await store.write(limit, record, undefined, new Date('2026-11-23T16:00:00.000Z'))
    const at = result.kind === 'written' ? result.at : undefined
    expect(at?.fromMs).toBeGreaterThanOrEqual(before)
    expect(at?.fromMs).toBeLessThanOrEqual(Date.now())
    const client = TableClient.fromConnectionString(azurite.connectionString, 'limits', {
      allowInsecureConnection: true,
    })
    const rows: string[] = []
    for await (const row of client.listEntities({ queryOptions: { filter: "RowKey eq 'key:time|l'" } })) {
      rows.push(row.timestamp ?? '')
    }
    expect(rows.map((timestamp) => Date.parse(timestamp))).toEqual([at?.fromMs])
  })

  test('is still returned after its row was swept', async () => {
    const tables = tableAccess(connection())
    const store = tableLimitStore(tables)
    await store.tellTime()
    await expirySweeper(tables, 'limits').step(new Date(Date.now() + 48 * 60 * 60_000), null)
    const before = Date.now()
    expect((await store.tellTime()).toMs).toBeGreaterThan(before)
  })

  const date = new Date('2026-11-22T16:00:01.000Z')

  test.each([
    [`W/"datetime'2026-11-22T16%3A00%3A00.1234567Z'"`, 123, 124],
    [`W/"datetime'2026-11-22T16%3A00%3A00.0000001Z'"`, 0, 1],
    [`W/"datetime'2026-11-22T16%3A00%3A00.0000000Z'"`, 0, 1000],
    [`W/"datetime'2026-11-22T16%3A00%3A00Z'"`, 0, 1000],
    [`"00000000-0000-0000-0000-000000000000"`, 1000, 2000],
    [`W/"datetime'%'"`, 1000, 2000],
    [undefined, 1000, 2000],
  ])('of %s lies between its bounds', (etag, from, to) => {
    const base = Date.parse('2026-11-22T16:00:00.000Z')
    expect(serverInstant(etag, date)).toEqual({ fromMs: base + from, toMs: base + to })
  })

  test('is undefined without an ETag that holds it and without a date', () => {
    expect(serverInstant(undefined, undefined)).toBeUndefined()
    expect(serverInstant('"opaque"', undefined)).toBeUndefined()
  })
})
