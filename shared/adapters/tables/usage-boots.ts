import { odata } from '@azure/data-tables'
import { z } from 'zod'
import { dayName } from '../../domain/usage/calendar.ts'
import type { BootJournal, BootReports } from '../../ports/usage-boots.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, int64 } from './table-row.ts'

const TABLE_NAME = 'usageboots'
const OPEN = 'open'
const EXPIRES_AFTER_MS = 400 * 24 * 60 * 60 * 1000
/** Stands for an unknown number. */
const UNKNOWN = -1

const openShape = z.object({
  openedAt: date,
  reportedAt: date,
  lastNumber: int64,
  waitingMessages: int64,
  waitingBytes: int64,
  expiresAt: date,
})
const closedShape = z.object({ closedAt: date, lastNumber: int64, expiresAt: date })

/** `usageboots`: PartitionKey `open` or `<yyyymmdd>` of the close, RowKey `<instance>.<boot>`. */
export function tableUsageBoots(tables: TableAccess): BootReports & BootJournal {
  const table = tables.table(TABLE_NAME)
  return {
    async report({ producer, lastNumber, ...report }) {
      const row = { ...report, lastNumber: lastNumber ?? UNKNOWN, expiresAt: expiryOf(report.reportedAt) }
      await table.upsert({ partitionKey: OPEN, rowKey: producer, ...encodeRow(TABLE_NAME, openShape, row) })
    },
    // In this order: after a crash between the two the boot is still open, and is closed once more.
    async close({ producer, closedAt, lastNumber }) {
      const row = { closedAt, lastNumber: lastNumber ?? UNKNOWN, expiresAt: expiryOf(closedAt) }
      const partitionKey = dayName(closedAt)
      await table.upsert({ partitionKey, rowKey: producer, ...encodeRow(TABLE_NAME, closedShape, row) })
      await table.remove(OPEN, producer, '*')
    },
    async *open() {
      for await (const row of table.scan(odata`PartitionKey eq ${OPEN}`)) {
        const { lastNumber, expiresAt: _, ...report } = decodeRow(TABLE_NAME, openShape, row)
        yield { producer: row.rowKey, ...report, lastNumber: known(lastNumber) }
      }
    },
    async *closedOn(day) {
      for await (const row of table.scan(odata`PartitionKey eq ${day}`)) {
        const { closedAt, lastNumber } = decodeRow(TABLE_NAME, closedShape, row)
        yield { producer: row.rowKey, closedAt, lastNumber: known(lastNumber) }
      }
    },
  }
}

function known(number: number): number | null {
  return number === UNKNOWN ? null : number
}

function expiryOf(at: Date): Date {
  return new Date(at.getTime() + EXPIRES_AFTER_MS)
}
