import * as z from 'zod'
import type { KeyCountStore } from '../../ports/keys.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, int64, json } from './table-row.ts'

const shape = z.object({
  keys: int64,
  pending: json(z.array(z.object({ keyId: z.string(), since: date })).readonly()),
  countedAt: date,
})

const ROW_KEY = 'count'

/** How many keys each provider has, one row each in the table `keycounts`. */
export function tableKeyCountStore(tables: TableAccess): KeyCountStore {
  const table = tables.table('keycounts')
  return {
    async find({ providerId }) {
      const row = await table.get(providerId, ROW_KEY)
      return row && { value: decodeRow(table.name, shape, row), version: row.etag }
    },
    async put({ providerId }, count, version) {
      const row = { partitionKey: providerId, rowKey: ROW_KEY, ...encodeRow(table.name, shape, count) }
      const result = version === null ? await table.create(row) : await table.replace(row, version)
      return result === 'created' || result === 'replaced' ? 'stored' : 'stale'
    },
  }
}
