import { randomUUID } from 'node:crypto'
import { odata } from '@azure/data-tables'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RowAction, Table } from '../../../../shared/adapters/tables/table.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

/** A table that does not exist yet. */
function newTable(name = `t${randomUUID().replaceAll('-', '')}`): Table {
  return tableAccess({ connectionString: azurite.connectionString }).table(name)
}

const row = (rowKey: string, properties: Record<string, string | bigint | boolean> = {}) => ({
  partitionKey: 'p',
  rowKey,
  ...properties,
})

async function rowKeys(table: Table): Promise<string[]> {
  const keys: string[] = []
  for await (const { rowKey } of table.scan(odata`PartitionKey eq ${'p'}`)) keys.push(rowKey)
  return keys
}

describe('a missing table', () => {
  test('reads as empty, and nothing in it can be replaced or has to be removed', async () => {
    const table = newTable()
    expect(await table.get('p', 'r')).toBeUndefined()
    expect(await table.page({ filter: odata`PartitionKey eq ${'p'}`, limit: 10, after: null })).toEqual({
      items: [],
      next: null,
    })
    expect(await rowKeys(table)).toEqual([])
    expect(await table.replace(row('r'), '*')).toBe('stale')
    expect(await table.remove('p', 'r', '*')).toBe('removed')
  })

  test.each<[string, (table: Table) => Promise<unknown>]>([
    ['create', (table) => table.create(row('r'))],
    ['upsert', (table) => table.upsert(row('r'))],
    ['transaction', (table) => table.transact([{ kind: 'create', row: row('r') }])],
  ])('is created by the first %s', async (_, write) => {
    const table = newTable()
    await write(table)
    expect(await rowKeys(table)).toEqual(['r'])
  })

  test('is created once by concurrent first writers, and every row is there', async () => {
    const table = newTable()
    const keys = Array.from({ length: 8 }, (_, index) => `r${index}`)
    const writers = keys.map((key) => newTable(table.name).create(row(key)))
    expect(new Set(await Promise.all(writers))).toEqual(new Set(['created']))
    expect((await rowKeys(table)).toSorted()).toEqual(keys)
  })
})

describe('a row', () => {
  test('keeps large counters, texts and truth values exactly', async () => {
    const table = newTable()
    const properties = { count: 2n ** 53n, small: 7n, text: "it's 🗝 \u0000\n", empty: '', yes: true, no: false }
    await table.create({ partitionKey: '*', rowKey: 'a|b', ...properties })
    expect(await table.get('*', 'a|b')).toMatchObject(properties)
  })

  test('is removed at its current version only, and a missing row counts as removed', async () => {
    const table = newTable()
    await table.create(row('r'))
    const old = (await table.get('p', 'r'))?.etag ?? ''
    await table.upsert(row('r', { text: 'new' }))
    expect(await table.remove('p', 'r', old)).toBe('stale')
    expect(await rowKeys(table)).toEqual(['r'])
    expect(await table.remove('p', 'r', (await table.get('p', 'r'))?.etag ?? '')).toBe('removed')
    expect(await table.remove('p', 'r', old)).toBe('removed')
    expect(await rowKeys(table)).toEqual([])
  })

  test('an upsert replaces the row as a whole', async () => {
    const table = newTable()
    await table.upsert(row('r', { first: 'x' }))
    await table.upsert(row('r', { second: 'y' }))
    const found = await table.get('p', 'r')
    expect([found?.first, found?.second]).toEqual([undefined, 'y'])
  })

  test('with a key that no table can store is missing, without a request to the store', async () => {
    const table = tableAccess({ connectionString: 'UseDevelopmentStorage=true' }).table('never')
    expect(await table.get('a/b', 'r')).toBeUndefined()
    expect(await table.get('p', 'a#b')).toBeUndefined()
  })
})

describe('a scan', () => {
  test('reads page after page and returns every row once', async () => {
    const table = newTable()
    const keys = Array.from({ length: 1050 }, (_, index) => `r${String(index).padStart(4, '0')}`)
    for (let start = 0; start < keys.length; start += 100) {
      await table.transact(keys.slice(start, start + 100).map((key) => ({ kind: 'create', row: row(key) })))
    }
    expect((await rowKeys(table)).toSorted()).toEqual(keys)
  })
})

describe('a transaction', () => {
  test('answers with the version of each row, in order, which a replacement then accepts', async () => {
    const table = newTable()
    const result = await table.transact([
      { kind: 'create', row: row('a') },
      { kind: 'upsert', row: row('b', { count: 1n }) },
    ])
    const etags = result.kind === 'committed' ? result.etags : []
    expect(etags).toEqual([(await table.get('p', 'a'))?.etag, (await table.get('p', 'b'))?.etag])
    const next = row('b', { count: 2n })
    expect(await table.transact([{ kind: 'replace', row: next, etag: etags[1] ?? '' }])).toMatchObject({
      kind: 'committed',
    })
    expect((await table.get('p', 'b'))?.count).toBe(2n)
  })

  test.each<[string, 'exists' | 'stale', RowAction]>([
    ['creates a row that is there', 'exists', { kind: 'create', row: row('there') }],
    ['replaces a row that is not there', 'stale', { kind: 'replace', row: row('not-there'), etag: '*' }],
  ])('that %s is %s as a whole: nothing of it is written', async (_, kind, action) => {
    const table = newTable()
    await table.create(row('there'))
    expect(await table.transact([{ kind: 'upsert', row: row('other') }, action])).toEqual({ kind })
    expect(await rowKeys(table)).toEqual(['there'])
  })

  test('that replaces a row at an older version is stale as a whole: nothing of it is written', async () => {
    const table = newTable()
    await table.create(row('there'))
    const etag = (await table.get('p', 'there'))?.etag ?? ''
    await table.upsert(row('there', { text: 'new' }))
    const actions: RowAction[] = [
      { kind: 'create', row: row('other') },
      { kind: 'replace', row: row('there', { text: 'late' }), etag },
    ]
    expect(await table.transact(actions)).toEqual({ kind: 'stale' })
    expect(await rowKeys(table)).toEqual(['there'])
    expect((await table.get('p', 'there'))?.text).toBe('new')
  })

  test('whose reply was lost has committed once, and may return `exists`: the row that only it creates decides', async () => {
    const { connectionString } = azurite
    const { name } = newTable()
    const lossy = tableAccess({
      connectionString,
      wrapClient: (client) => loseReplies(client, ({ url }) => url.endsWith('$batch')),
    }).table(name)
    const result = await lossy.transact([
      { kind: 'create', row: row('mine') },
      { kind: 'upsert', row: row('b') },
    ])
    expect(result).toEqual({ kind: 'exists' })
    expect((await rowKeys(newTable(name))).toSorted()).toEqual(['b', 'mine'])
  })

  test('of more than 100 rows or 2 MB is refused before it is sent', async () => {
    const table = tableAccess({ connectionString: 'UseDevelopmentStorage=true' }).table('never')
    const many = Array.from({ length: 101 }, (_, index): RowAction => ({ kind: 'create', row: row(`${index}`) }))
    await expect(table.transact(many)).rejects.toThrow(/too large: 101 rows/)
    const large = Array.from({ length: 40 }, (_, index): RowAction => {
      return { kind: 'create', row: row(`${index}`, { text: 'x'.repeat(30_000) }) }
    })
    await expect(table.transact(large)).rejects.toThrow(/too large: 40 rows/)
  })
})
