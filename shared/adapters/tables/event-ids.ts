import { createHash } from 'node:crypto'
import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import { z } from 'zod'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import type { EventIds, HeldId, IdOwner } from '../../ports/usage-reports.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import type { RowAction, Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, type StoredRow } from './table-row.ts'

const TABLE_NAME = 'usageeventids'
const CHUNKS_AT_ONCE = 8
const READS_AT_ONCE = 16
const ATTEMPTS_MAX = 10
const PAGE = 1000

const ownerShape = z.object({ batchId: z.string(), attempt: z.string(), expiresAt: date })

/** An id that is not claimed yet. `over`: the version of another attempt's claim that is replaced. */
interface Wanted {
  readonly id: string
  readonly rowKey: string
  readonly over: string | undefined
}

/**
 * `usageeventids`: PartitionKey `<provider id>|<first hex digit>`, RowKey 32 hex digits of the SHA-256 of an event's id.
 * The ids of a push that are in one partition share transactions. `rowsPerTransaction`: 1 to 100.
 */
export function tableEventIds(tables: TableAccess, rowsPerTransaction = 100): EventIds {
  const table = tables.table(TABLE_NAME)
  return {
    async claim({ providerId }: OneProvider, ids, owner, over) {
      const versions = new Map(over.map(({ id, version }) => [id, version]))
      const all = ids
        .map((id): Wanted => ({ id, rowKey: digestOf(id), over: versions.get(id) }))
        // Neighbours share a transaction, so that one page may show all of it.
        .sort((a, b) => (a.rowKey < b.rowKey ? -1 : 1))
      const partitions = Map.groupBy(all, ({ rowKey }) => `${providerId}|${rowKey[0]}`)
      const chunks = [...partitions].flatMap(([partition, wanted]) =>
        chunksOf(wanted, rowsPerTransaction).map((chunk) => ({ partition, chunk })),
      )
      const held = await pLimit(CHUNKS_AT_ONCE).map(chunks, ({ partition, chunk }) =>
        claimChunk(table, partition, chunk, owner),
      )
      return held.flat()
    },
  }
}

/** Claims in one transaction what is free. After a refusal reads every row, and tries again with the rest. */
async function claimChunk(table: Table, partitionKey: string, chunk: readonly Wanted[], owner: IdOwner) {
  const held: HeldId[] = []
  let wanted = chunk
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (wanted.length === 0) return held
    const result = await table.transact(wanted.map((one) => claimAction(partitionKey, one, owner)))
    if (result.kind === 'committed') return held
    const rows = await readRows(table, partitionKey, wanted)
    const states = wanted.map((one) => stateOf(one, rows.get(one.rowKey), owner))
    held.push(...states.filter((state) => 'owner' in state))
    wanted = states.filter((state) => 'rowKey' in state)
  }
  throw unavailable(new Error(`Table ${TABLE_NAME}: other writers always came first.`))
}

/** One page of the range that the keys span, where it holds them all; else a point read for each. */
async function readRows(table: Table, partitionKey: string, wanted: readonly Wanted[]) {
  const keys = wanted.map(({ rowKey }) => rowKey).sort()
  const [first = '', last = ''] = [keys[0], keys.at(-1)]
  const filter = odata`PartitionKey eq ${partitionKey} and RowKey ge ${first} and RowKey le ${last}`
  const page = await table.page({ filter, limit: PAGE, after: null })
  if (page.next === null) return new Map(page.items.map((row) => [row.rowKey, row]))
  const rows = await pLimit(READS_AT_ONCE).map(keys, (rowKey) => table.get(partitionKey, rowKey))
  return new Map(rows.flatMap((row) => (row === undefined ? [] : [[row.rowKey, row] as const])))
}

function claimAction(partitionKey: string, { rowKey, over }: Wanted, owner: IdOwner): RowAction {
  const row = { partitionKey, rowKey, ...encodeRow(TABLE_NAME, ownerShape, owner) }
  return over === undefined ? { kind: 'create', row } : { kind: 'replace', row, etag: over }
}

const claimed = { claimed: true } as const

/** What is to be done about an id that was wanted: claim it still, nothing, or report who holds it. */
function stateOf(wanted: Wanted, row: StoredRow | undefined, owner: IdOwner): Wanted | HeldId | typeof claimed {
  if (row === undefined) return { ...wanted, over: undefined }
  const stored = decodeRow(TABLE_NAME, ownerShape, row)
  if (stored.batchId === owner.batchId && stored.attempt === owner.attempt) return claimed
  return row.etag === wanted.over ? wanted : { id: wanted.id, owner: stored, version: row.etag }
}

function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 32)
}

function chunksOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size))
}
