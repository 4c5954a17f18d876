import type { TableClient } from '@azure/data-tables'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableVerdictStore, verdictSweeper } from '../../../../shared/adapters/tables/verdict-tables.ts'
import { dayName } from '../../../../shared/domain/usage/calendar.ts'
import { idempotencyStoreContract, sampleRecord } from '../../../support/contracts/idempotency-store-contract.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { cosmosLike } from '../../../support/worlds/cosmos-like.ts'

const ROWS = 5000
const MINUTE_MS = 60_000
/** The sweep, and a minute into the day that ended before it. */
const now = new Date('2026-11-23T03:17:00.000Z')
const yesterday = new Date('2026-11-22T00:01:00.000Z')
const today = new Date('2026-11-23T03:16:59.000Z')

let azurite: TestAzurite
let tables: TableAccess
let requests: string[]
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString, wrapClient: recordRequests })
})
afterAll(() => azurite.stop())

function recordRequests(client: TableClient): TableClient {
  client.pipeline.addPolicy({
    name: 'recordRequests',
    sendRequest(request, next) {
      requests?.push(request.method)
      return next(request)
    },
  })
  return client
}

const storeAt = (at: Date) => tableVerdictStore(tables, { now: () => at })
const tableOf = (at: Date) => tables.table(`verdicts${dayName(at)}`)

async function sweepAll() {
  const total = { removed: 0, requests: 0 }
  requests = []
  for (let after: string | null = null; ; ) {
    const step = await verdictSweeper(tables).step(now, after)
    total.removed += step.removed
    if (step.next === null) return { ...total, requests: requests.length }
    after = step.next
  }
}

async function addRows(rows: number): Promise<void> {
  for (let first = 0; first < rows; first += 100) {
    const actions = Array.from({ length: 100 }, (_, index) => ({
      kind: 'upsert' as const,
      row: { partitionKey: 'acme|verdict|00', rowKey: `row-${first + index}`, expiresAt: yesterday.toISOString() },
    }))
    await tableOf(yesterday).transact(actions)
  }
}

for (const [when, at] of [
  ['in a day', today],
  ['in its first 2 minutes', yesterday],
] as const) {
  idempotencyStoreContract(`the tables of validations, ${when},`, () => storeAt(at))
}
idempotencyStoreContract('the tables of validations on what behaves as Cosmos DB for Table does', () =>
  tableVerdictStore(tableAccess({ connectionString: azurite.connectionString, wrapClient: cosmosLike(7).wrapClient }), {
    now: () => yesterday,
  }),
)

describe('the sweep of the Idempotency-Keys of validations', () => {
  test(`drops a day with as few requests whether it has 100 rows or ${ROWS}, and none of the present day`, async () => {
    await sweepAll()
    const spared = sampleRecord({ startedAt: today, expiresAt: new Date(today.getTime() + MINUTE_MS) })
    await storeAt(today).insert(spared)
    await addRows(100)
    const few = await sweepAll()
    await addRows(ROWS)
    const many = await sweepAll()
    expect(few.removed).toBe(1)
    expect(many).toEqual(few)
    expect(await tableOf(yesterday).exists()).toBe(false)
    expect((await storeAt(today).find(spared.callerId, spared.keyDigest))?.value).toEqual(spared)
  })

  test('finds a day that sweeps of five weeks missed', async () => {
    const missed = new Date(now.getTime() - 34 * 24 * 60 * MINUTE_MS)
    await storeAt(missed).insert(sampleRecord({ startedAt: missed }))
    expect((await sweepAll()).removed).toBe(1)
    expect(await tableOf(missed).exists()).toBe(false)
  })

  test('makes the table of the next day, so that no validation waits for it', async () => {
    const tomorrow = tableOf(new Date('2026-11-24T12:00:00.000Z'))
    await tomorrow.drop()
    await sweepAll()
    expect(await tomorrow.exists()).toBe(true)
  })
})
