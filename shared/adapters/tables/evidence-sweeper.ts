import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import type { UsageDelta } from '../../domain/usage/usage.ts'
import type { Sweeper } from '../../ports/store.ts'
import { propertiesOf } from './rewrite-rows.ts'
import type { Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { joinText, type Property, type StoredRow, splitText } from './table-row.ts'
import { fromRevokedUse, toRevokedUse } from './usage-rows.ts'

const PAGE = 200
const CONCURRENCY = 8
const DAY_MS = 24 * 60 * 60_000
/** Months that are looked at, the current one included. */
const MONTHS = 37

/** Clears the addresses of uses of revoked keys in the copies for reports, for days that ended `days` days ago. */
export function copiedEvidenceSweeper(tables: TableAccess, days: number): Sweeper {
  const table = tables.table('usagebyprovider')
  const filterAt = (now: Date) => odata`day lt ${firstKeptDay(now, days)} and lastRevokedUse ge '{'`
  return { step: (now, after) => sweepPage(table, filterAt(now), after, withoutAddress) }
}

/** Does the same in batches that arrived after their day was sealed. */
export function lateEvidenceSweeper(tables: TableAccess, days: number): Sweeper {
  const table = tables.table('usagelate')
  const filterAt = (now: Date) => odata`PartitionKey lt ${firstKeptDay(now, days)}`
  return { step: (now, after) => sweepPage(table, filterAt(now), after, withoutAddresses) }
}

/**
 * Does the same in the counters, month by month. A day that is still open may be written again from another instance's
 * memory: the next sweep clears it again. The fence stays, because no count changes.
 */
export function countedEvidenceSweeper(tables: TableAccess, days: number): Sweeper {
  return {
    async step(now, after) {
      const newest = firstKeptDay(now, days)
      const position = after?.split('|') ?? []
      const [months = '0', ...token] = position
      const month = monthBefore(newest, Number(months))
      const table = tables.table(`usage${month}`)
      const filter = odata`PartitionKey lt ${newest} and lastRevokedUse ge '{'`
      const step = await sweepPage(table, filter, token.length === 0 ? null : token.join('|'), withoutAddress)
      if (step.next !== null) return { ...step, next: `${months}|${step.next}` }
      const next = Number(months) + 1
      return { ...step, next: next < MONTHS ? String(next) : null }
    },
  }
}

/** Replaces the rows that `clear` changes, at the ETag that was read: a row that another writer changed stays. */
async function sweepPage(
  table: Table,
  filter: string,
  after: string | null,
  clear: (table: string, row: StoredRow) => Readonly<Record<string, Property>> | undefined,
) {
  const { items, next } = await table.page({ filter, limit: PAGE, after })
  const cleared = await pLimit(CONCURRENCY).map(items, async (row) => {
    const change = clear(table.name, row)
    if (change === undefined) return false
    return (await table.replace({ ...propertiesOf(row), ...change }, row.etag)) === 'replaced'
  })
  return { looked: items.length, removed: cleared.filter(Boolean).length, next }
}

function withoutAddress(table: string, row: StoredRow) {
  const use = fromRevokedUse(table, row)
  return use === null || use.clientIp === null ? undefined : toRevokedUse({ ...use, clientIp: null })
}

function withoutAddresses(table: string, row: StoredRow) {
  const deltas: readonly UsageDelta[] = JSON.parse(joinText(table, 'deltas', row))
  if (deltas.every(({ lastIp }) => lastIp === null)) return undefined
  return splitText('deltas', JSON.stringify(deltas.map((delta) => ({ ...delta, lastIp: null }))))
}

/** `YYYYMMDD`: addresses of earlier days are cleared. */
function firstKeptDay(now: Date, days: number): string {
  return new Date(now.getTime() - days * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
}

/** `YYYYMM`, this many months before the month of a day. */
function monthBefore(day: string, months: number): string {
  const date = new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1 - months))
  return date.toISOString().slice(0, 7).replace('-', '')
}
