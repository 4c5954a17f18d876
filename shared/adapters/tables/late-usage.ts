import { odata } from '@azure/data-tables'
import { z } from 'zod'
import { erasedDeltas } from '../../domain/usage/erasure.ts'
import { shardOf } from '../../domain/usage/partition.ts'
import type { UsageDelta } from '../../domain/usage/usage.ts'
import type { LateBatch, LateUsage } from '../../ports/usage.ts'
import { rewritePage } from './rewrite-rows.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, encodeRow, int64, joinText, type Row, type StoredRow, splitText } from './table-row.ts'

const ERASURE_PAGE = 100

const shape = z.object({ batchId: z.string(), shard: z.string(), ackedBelow: int64, count: int64, at: z.string() })

/** `usagelate`: per day, a row for each batch and shard that arrived after the partition was sealed, with its deltas. */
export function tableLateUsage(tables: TableAccess): LateUsage {
  const table = tables.table('usagelate')

  const toRow = ({ partition: { day, shard }, deltas, ...batch }: LateBatch): Row => ({
    partitionKey: day,
    rowKey: `${batch.batchId}|${shard}`,
    ...encodeRow(table.name, shape, { ...batch, shard }),
    ...splitText('deltas', JSON.stringify(deltas)),
  })
  const toLate = (row: StoredRow): LateBatch => {
    const { shard, ...batch } = decodeRow(table.name, shape, row)
    const deltas: readonly UsageDelta[] = JSON.parse(joinText(table.name, 'deltas', row))
    return { ...batch, partition: { day: row.partitionKey, shard }, deltas }
  }

  return {
    put: (batch) => table.upsert(toRow(batch)),
    eraseKey: (key, after) =>
      rewritePage(table, { filter: odata`shard eq ${shardOf(key.keyId)}`, limit: ERASURE_PAGE, after }, (row) => {
        const late = toLate(row)
        const deltas = erasedDeltas(late.deltas, key)
        return deltas === late.deltas ? undefined : toRow({ ...late, deltas })
      }),
    async *scan(day) {
      for await (const row of table.scan(odata`PartitionKey eq ${day}`)) yield toLate(row)
    },
  }
}
