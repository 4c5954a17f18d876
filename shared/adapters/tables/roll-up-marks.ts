import { odata } from '@azure/data-tables'
import { z } from 'zod'
import { partitionName } from '../../domain/usage/partition.ts'
import type { UsagePartition } from '../../domain/usage/usage.ts'
import type { RollUpMarks } from '../../ports/usage-reports.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, encodeRow, int64 } from './table-row.ts'

const ROW_KEY = '_rollup'
const markShape = z.object({ batches: int64 })

const REQUESTS = 'day'

/**
 * `_rollup` in every partition of `usageYYYYMM`: how many of its batches the roll-up has copied. `usagerequests`: the days
 * that it was asked for.
 */
export function tableRollUpMarks(tables: TableAccess): RollUpMarks {
  const requests = tables.table('usagerequests')
  const tableOf = ({ day }: UsagePartition) => tables.table(`usage${day.slice(0, 6)}`)
  return {
    async read(partition) {
      const table = tableOf(partition)
      const row = await table.get(partitionName(partition), ROW_KEY)
      return row === undefined ? 0 : decodeRow(table.name, markShape, row).batches
    },
    async request(day) {
      await requests.upsert({ partitionKey: REQUESTS, rowKey: day })
    },
    async requested() {
      const rows = await Array.fromAsync(requests.scan(odata`PartitionKey eq ${REQUESTS}`))
      return rows.map(({ rowKey, etag }) => ({ day: rowKey, version: etag }))
    },
    async fulfil({ day, version }) {
      await requests.remove(REQUESTS, day, version)
    },
    async write(partition, batches) {
      const table = tableOf(partition)
      await table.upsert({
        partitionKey: partitionName(partition),
        rowKey: ROW_KEY,
        ...encodeRow(table.name, markShape, { batches }),
      })
    },
  }
}
