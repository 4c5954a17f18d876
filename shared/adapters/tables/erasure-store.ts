import { odata } from '@azure/data-tables'
import * as z from 'zod'
import type { ErasureStore, PendingErasure } from '../../ports/erasures.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, json, type Row, type StoredRow } from './table-row.ts'

const PARTITION = 'pending'

const shape = z.object({
  providerId: z.string(),
  requestedAt: date,
  notBefore: date,
  pass: json(z.object({ begunAt: date, stage: z.string(), after: z.string().nullable() }).nullable()),
})

/** `keyerasures`: one row for each key whose usage data are being erased. It names ids and times alone. */
export function tableErasureStore(tables: TableAccess): ErasureStore {
  const table = tables.table('keyerasures')
  const toRow = ({ keyId, ...erasure }: PendingErasure): Row => ({
    partitionKey: PARTITION,
    rowKey: keyId,
    ...encodeRow(table.name, shape, erasure),
  })
  const fromRow = (row: StoredRow): PendingErasure => ({ keyId: row.rowKey, ...decodeRow(table.name, shape, row) })

  return {
    open: async (erasure) => ((await table.create(toRow(erasure))) === 'created' ? 'opened' : 'pending'),
    async find(keyId) {
      const row = await table.get(PARTITION, keyId)
      return row && { value: fromRow(row), version: row.etag }
    },
    async page({ limit, after }) {
      const { items, next } = await table.page({ filter: odata`PartitionKey eq ${PARTITION}`, limit, after })
      return { items: items.map(fromRow), next }
    },
    replace: (erasure, version) => table.replace(toRow(erasure), version),
    remove: (keyId, version) => table.remove(PARTITION, keyId, version),
  }
}
