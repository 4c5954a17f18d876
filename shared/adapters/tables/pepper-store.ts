import * as z from 'zod'
import type { CountedKey } from '../../domain/keys/pepper-count.ts'
import type { PepperStore } from '../../ports/keys.ts'
import { isKeyRow, keyShape } from './key-rows.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, json } from './table-row.ts'

const count = { at: date, keys: z.record(z.string(), z.int()).readonly() }
const shape = z.object({
  startedAt: json(z.record(z.string(), date).readonly()),
  counted: json(z.object(count).nullable()),
  counting: json(z.object({ ...count, after: z.string() }).nullable()),
})
const counted = keyShape.pick({ pepperVersion: true, revocation: true, expiresAt: true, graceUntil: true })

const [PARTITION_KEY, ROW_KEY] = ['peppers', 'record']
/** Only a few properties of each row are read. */
const PAGE = 1000

/** The record of the peppers in use, one row in the table `keypeppers`, and the keys to count. */
export function tablePepperStore(tables: TableAccess): PepperStore {
  const table = tables.table('keypeppers')
  const keys = tables.table('keys')
  return {
    async find() {
      const row = await table.get(PARTITION_KEY, ROW_KEY)
      return row && { value: decodeRow(table.name, shape, row), version: row.etag }
    },
    async put(record, version) {
      const row = { partitionKey: PARTITION_KEY, rowKey: ROW_KEY, ...encodeRow(table.name, shape, record) }
      const result = version === null ? await table.create(row) : await table.replace(row, version)
      return result === 'created' || result === 'replaced' ? 'stored' : 'stale'
    },
    async keys(after) {
      const select = ['PartitionKey', 'RowKey', 'barred', 'aliasOf', ...Object.keys(counted.shape)]
      const { items, next } = await keys.page({ filter: '', select, limit: PAGE, after })
      const found: CountedKey[] = items.filter(isKeyRow).map((row) => decodeRow(keys.name, counted, row))
      return { items: found, next }
    },
  }
}
