import type { RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openGuard } from '../../../../shared/adapters/guard/guard.ts'
import type { Table } from '../../../../shared/adapters/tables/table.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import { startSickServer } from '../../../support/runs/sick-server.ts'

/** A short deadline where the server never answers; elsewhere one that suffices on a busy machine. */
async function sickTable(listener: RequestListener, deadlineMs = 20_000) {
  const server = await startSickServer(listener)
  onTestFinished(server.stop)
  const policy = { attemptMs: 10_000, deadlineMs, retries: 2, backoffMs: 1, openMs: 5000, concurrency: 50 }
  const guard = openGuard({ name: 'tables', policy })
  const table = tableAccess({ connectionString: server.connectionString, guard }).table('things')
  return { table, requests: server.requests, stop: server.stop }
}

const answer =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers).end()
  }

const row = { partitionKey: 'p', rowKey: 'r', text: 'the-row' }
const everyMethod: [string, (table: Table) => Promise<unknown>][] = [
  ['get', (table) => table.get('p', 'r')],
  ['create', (table) => table.create(row)],
  ['replace', (table) => table.replace(row, 'e')],
  ['upsert', (table) => table.upsert(row)],
  ['remove', (table) => table.remove('p', 'r', 'e')],
  ['page', (table) => table.page({ filter: '', limit: 1, after: null })],
  ['scan', (table) => table.scan('').next()],
  ['transact', (table) => table.transact([{ kind: 'create', row }])],
]

const unavailable = { code: 'store_unavailable', message: 'The store did not answer. Try again.', retryAfterSeconds: 1 }

describe('an unavailable store', () => {
  test.each(everyMethod)(
    'fails %s with store_unavailable, whose cause names table and status alone',
    async (_, ask) => {
      const { table } = await sickTable(answer(503))
      const error = await ask(table).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(AppError)
      expect(error).toMatchObject(unavailable)
      const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error)
      expect(shown).toContain('Table things did not answer: 503')
      expect(shown).not.toMatch(/SharedKey|the-row/)
    },
  )

  test.each<[string, RequestListener]>([
    ['never answers', () => undefined],
    [
      'stops in the middle of an answer',
      (_, response) => void response.writeHead(200, { 'content-length': 9 }).write('{'),
    ],
  ])('that %s times out', async (_, listener) => {
    const { table, requests } = await sickTable(listener, 1000)
    await expect(table.get('p', 'r')).rejects.toMatchObject(unavailable)
    expect(requests()).toBe(1)
  })

  test('is sent 3 attempts when it is broken', async () => {
    const { table, requests } = await sickTable(answer(503))
    await expect(table.get('p', 'r')).rejects.toMatchObject(unavailable)
    expect(requests()).toBe(3)
  })

  test.each([{ 'retry-after': '86400' }, { 'x-ms-retry-after-ms': '86400000' }])(
    'whose Retry-After exceeds the deadline is sent one request: %o',
    async (headers) => {
      const { table, requests } = await sickTable(answer(429, headers))
      await expect(table.get('p', 'r')).rejects.toMatchObject(unavailable)
      expect(requests()).toBe(1)
    },
  )

  test.each([401, 403])('with status %i is sent one request', async (status) => {
    const { table, requests } = await sickTable(answer(status))
    await expect(table.get('p', 'r')).rejects.toMatchObject(unavailable)
    expect(requests()).toBe(1)
  })

  test('is one where nothing listens, too', async () => {
    const { table, stop } = await sickTable(answer(200))
    await stop()
    await expect(table.get('p', 'r')).rejects.toMatchObject(unavailable)
  })
})

test('a request that the store finds invalid is no outage: it is refused, with the name of the table', async () => {
  const { table } = await sickTable(answer(400))
  const error = await table.upsert(row).catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    name: 'RefusedByStore',
    message: expect.stringMatching(/^Table things refused a request: 400/),
  })
})

test('a create that is refused although there is no such row has an unknown outcome', async () => {
  const { table } = await sickTable((request, response) => {
    response.writeHead(request.method === 'POST' ? 409 : 404).end()
  })
  await expect(table.create(row)).rejects.toMatchObject(unavailable)
})

test('a table is opened once per name, and opening it sends nothing', () => {
  const tables = tableAccess({ connectionString: 'UseDevelopmentStorage=true' })
  expect(tables.table('a')).toBe(tables.table('a'))
  expect(tables.table('a')).not.toBe(tables.table('b'))
})
