import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tableIdempotencyStore } from '../../../../shared/adapters/tables/idempotency-store.ts'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { expirySweeper, pointerSweeper } from '../../../../shared/adapters/tables/sweepers.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Sweeper } from '../../../../shared/ports/store.ts'
import { sampleRecord } from '../../../support/contracts/idempotency-store-contract.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'
import { watchTables } from '../../../support/worlds/watched-tables.ts'

let azurite: TestAzurite
let tables: TableAccess
beforeAll(async () => {
  azurite = await startAzurite()
  tables = tableAccess({ connectionString: azurite.connectionString, wrapClient: shuffleQueries })
})
afterAll(() => azurite.stop())

async function sweepAll(sweeper: Sweeper, now: Date) {
  const total = { looked: 0, removed: 0 }
  for (let after: string | null = null; ; ) {
    const { looked, removed, next } = await sweeper.step(now, after)
    total.looked += looked
    total.removed += removed
    if (next === null) return total
    after = next
  }
}

const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * 60_000)

test('the sweep of Idempotency-Keys removes every expired record, and no other', async () => {
  const store = tableIdempotencyStore(tables)
  const now = new Date('2026-11-23T16:00:00.123Z')
  const records = Array.from({ length: 20 }, (_, index) =>
    sampleRecord({ expiresAt: new Date(now.getTime() + (index - 10) * 1000) }),
  )
  for (const record of records) await store.insert(record)
  expect(await sweepAll(expirySweeper(tables, 'idempotency'), now)).toEqual({ looked: 10, removed: 10 })
  for (const record of records) {
    const found = await store.find(record.callerId, record.keyDigest)
    expect(found?.value).toEqual(record.expiresAt < now ? undefined : record)
  }
  expect(await sweepAll(expirySweeper(tables, 'idempotency'), now)).toEqual({ looked: 0, removed: 0 })
})

test('the sweep of Idempotency-Keys leaves a record that another attempt took over meanwhile', async () => {
  const store = tableIdempotencyStore(tables)
  const record = sampleRecord({ expiresAt: new Date('2020-01-01T00:00:00.000Z') })
  await store.insert(record)
  const renewed = sampleRecord({ ...record, expiresAt: new Date('2030-01-01T00:00:00.000Z') })
  const racing = watchTables(tables, {
    // Request 0 is the query, request 1 removes.
    before: async (request) => {
      if (request !== 1) return
      const found = await store.find(record.callerId, record.keyDigest)
      expect(await store.replace(renewed, found?.version ?? '')).toBe('replaced')
    },
  })
  // The first page of a shuffled query is empty.
  const { next } = await expirySweeper(tables, 'idempotency').step(new Date('2021-01-01'), null)
  const step = await expirySweeper(racing, 'idempotency').step(new Date('2021-01-01'), next)
  expect(step).toMatchObject({ looked: 1, removed: 0 })
  expect((await store.find(record.callerId, record.keyDigest))?.value).toEqual(renewed)
})

describe.each(['keyids', 'keysbyprovider'] as const)('the sweep of dangling pointers in %s', (tableName) => {
  const sweeper = () => pointerSweeper(tables, tableName)

  /** Writes the pointers of a key, and crashes before the key. */
  async function dangle() {
    const key = sampleKey()
    const crashing = watchTables(tables, {
      before: (request) => {
        if (request === 2) throw new Error('crash')
      },
    })
    await expect(tableKeyStore(crashing).create(key)).rejects.toThrow('crash')
    return key
  }

  test('removes them when they are older than 10 minutes and younger than 7 days, and never a key’s', async () => {
    const key = sampleKey()
    await tableKeyStore(tables).create(key)
    const before = await sweepAll(sweeper(), minutesFromNow(11))
    await dangle()
    for (const now of [minutesFromNow(9), minutesFromNow(7 * 24 * 60 + 1)]) {
      expect(await sweepAll(sweeper(), now)).toEqual({ looked: 0, removed: 0 })
    }
    const looked = before.looked - before.removed + 1
    expect(await sweepAll(sweeper(), minutesFromNow(11))).toEqual({ looked, removed: 1 })
    expect((await tableKeyStore(tables).findById(everyProvider, key.keyId))?.value).toEqual(key)
  })
})
