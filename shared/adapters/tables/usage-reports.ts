import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import type { ScannedCounters } from '../../ports/usage.ts'
import type { UsageCopies, UsageReports } from '../../ports/usage-reports.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import { propertiesOf, rewriteRows } from './rewrite-rows.ts'
import type { RowAction, Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import type { Row, StoredRow } from './table-row.ts'
import {
  fromKeyDayRow,
  fromTotalsRow,
  keyDayRowKey,
  toErasedRow,
  toKeyDayRow,
  toTotalsRow,
  versionOfRow,
} from './usage-copy-rows.ts'

const TABLE_NAME = 'usagebyprovider'
const READS_AT_ONCE = 8
/** Two rows each; with the longest names of endpoints, every character escaped, still below the 2 MB of a transaction. */
const COPIES_PER_TRANSACTION = 30
const ROWS_PER_COPY = 2
const ATTEMPTS_MAX = 10

/**
 * `usagebyprovider`: PartitionKey `<provider id>`, RowKey `<key id>|<yyyymmdd>`, `*|<yyyymmdd>`, `<key id>|last`.
 * `rowsPerTransaction`: 2 or more.
 */
export function tableUsageReports(tables: TableAccess, rowsPerTransaction = 100): UsageReports & UsageCopies {
  const table = tables.table(TABLE_NAME)
  const step = Math.min(COPIES_PER_TRANSACTION, Math.floor(rowsPerTransaction / ROWS_PER_COPY))
  return {
    async putKeyDays({ providerId }, copies) {
      for (let start = 0; start < copies.length; start += step) {
        await putNewer(table, providerId, copies.slice(start, start + step))
      }
    },
    async eraseKey({ providerId }, { keyId, pseudonymOf }) {
      const filter = odata`PartitionKey eq ${providerId} and RowKey ge ${`${keyId}|0`} and RowKey lt ${`${keyId}|:`}`
      return rewriteRows(table, await Array.fromAsync(table.scan(filter)), (row) => {
        const erased = toErasedRow(TABLE_NAME, row, pseudonymOf)
        return erased && { ...propertiesOf(row), ...erased }
      })
    },
    async findTotals({ providerId }, day) {
      const row = await table.get(providerId, keyDayRowKey('*', day))
      return row === undefined ? undefined : { value: fromTotalsRow(TABLE_NAME, row), version: row.etag }
    },
    async putTotals(_scope, totals, version) {
      const row = toTotalsRow(TABLE_NAME, totals)
      const result = version === null ? await table.create(row) : await table.replace(row, version)
      return result === 'created' || result === 'replaced' ? 'stored' : 'stale'
    },
    async keyDays(scope, keyId, { first, last }) {
      const rows = await Array.fromAsync(table.scan(rowRange(scope, keyId, first, last)))
      return rows.map((row) => fromKeyDayRow(TABLE_NAME, row))
    },
    async totals(scope, { first, last }) {
      const rows = await Array.fromAsync(table.scan(rowRange(scope, '*', first, last)))
      return rows.map((row) => fromTotalsRow(TABLE_NAME, row))
    },
    async *allKeyDays({ providerId }, { first, last }) {
      // `+` is the character after `*`: this excludes the totals; the rows of last uses have no day.
      const filter = odata`PartitionKey eq ${providerId} and RowKey ge '+' and day ge ${first} and day le ${last}`
      for await (const row of table.scan(filter)) yield fromKeyDayRow(TABLE_NAME, row)
    },
    async lastUsed({ providerId }, keyIds) {
      const rows = await pLimit(READS_AT_ONCE).map(keyIds, (keyId) => table.get(providerId, lastRowKey(keyId)))
      return new Map(keyIds.flatMap((keyId, index) => lastUseOf(rows[index], keyId)))
    },
  }
}

function rowRange({ providerId }: OneProvider, keyId: string, first: string, last: string): string {
  const [from, to] = [keyDayRowKey(keyId, first), keyDayRowKey(keyId, last)]
  return odata`PartitionKey eq ${providerId} and RowKey ge ${from} and RowKey le ${to}`
}

function lastRowKey(keyId: string): string {
  return `${keyId}|last`
}

function lastUseOf(row: StoredRow | undefined, keyId: string): [string, string][] {
  return typeof row?.lastUsedAt === 'string' ? [[keyId, row.lastUsedAt]] : []
}

/** Writes the copies that are newer than the stored rows; after a lost race reads and decides again, 10 times at most. */
async function putNewer(table: Table, providerId: string, copies: readonly ScannedCounters[]): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const planned = await pLimit(READS_AT_ONCE).map(copies, (copy) => planCopy(table, providerId, copy))
    const actions = planned.flat()
    if (actions.length === 0 || (await table.transact(actions)).kind === 'committed') return
  }
  throw unavailable(new Error(`Table ${table.name}: other writers always came first.`))
}

/** The writes that a copy needs: none where the stored rows are as new. */
async function planCopy(table: Table, providerId: string, copy: ScannedCounters): Promise<readonly RowAction[]> {
  const day = toKeyDayRow(TABLE_NAME, copy)
  const last = { partitionKey: providerId, rowKey: lastRowKey(copy.keyId), lastUsedAt: copy.lastUsedAt }
  const [storedDay, storedLast] = await Promise.all([
    table.get(providerId, day.rowKey),
    table.get(providerId, last.rowKey),
  ])
  const dayIsNewer = storedDay === undefined || versionOfRow(TABLE_NAME, storedDay) < copy.version
  const lastIsNewer = storedLast === undefined || String(storedLast.lastUsedAt) < copy.lastUsedAt
  return [
    ...(dayIsNewer ? [replaceOrCreate(day, storedDay)] : []),
    ...(lastIsNewer ? [replaceOrCreate(last, storedLast)] : []),
  ]
}

function replaceOrCreate(row: Row, stored: StoredRow | undefined): RowAction {
  return stored === undefined ? { kind: 'create', row } : { kind: 'replace', row, etag: stored.etag }
}
