import pLimit from 'p-limit'
import type { Page } from '../../ports/store.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import type { Table } from './table.ts'
import type { Property, Row, StoredRow } from './table-row.ts'

const CONCURRENCY = 8
const ATTEMPTS = 10

/** The whole row as it shall be; undefined leaves the row as it is. */
export type Rewrite = (row: StoredRow) => Readonly<Record<string, Property>> | undefined

/**
 * Replaces rows at the ETag that was read. A row that another writer changes meanwhile is read again and decided again; a
 * row that is gone needs no change. Returns how many rows it changed.
 */
export async function rewriteRows(table: Table, rows: readonly StoredRow[], rewrite: Rewrite): Promise<number> {
  const changed = await pLimit(CONCURRENCY).map([...rows], (row) => rewriteRow(table, row, rewrite))
  return changed.filter(Boolean).length
}

/** The same for one page of a query. */
export async function rewritePage(
  table: Table,
  query: Parameters<Table['page']>[0],
  rewrite: Rewrite,
): Promise<{ readonly changed: number; readonly next: string | null }> {
  const { items, next }: Page<StoredRow> = await table.page(query)
  return { changed: await rewriteRows(table, items, rewrite), next }
}

async function rewriteRow(table: Table, row: StoredRow, rewrite: Rewrite): Promise<boolean> {
  const { partitionKey, rowKey } = row
  let current: StoredRow | undefined = row
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const properties = current && rewrite(current)
    if (current === undefined || properties === undefined) return false
    const rewritten: Row = { ...properties, partitionKey, rowKey }
    if ((await table.replace(rewritten, current.etag)) === 'replaced') return true
    current = await table.get(partitionKey, rowKey)
  }
  throw unavailable(new Error(`Table ${table.name}: other writers always came first.`))
}

/** The properties of a row as they were read, for a row that is written again. */
export function propertiesOf({ etag: _, timestamp: __, ...properties }: StoredRow): Row {
  return properties as Row
}
