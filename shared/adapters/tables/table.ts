import { randomUUID } from 'node:crypto'
import type { TableClient, TableEntityResult, TransactionAction } from '@azure/data-tables'
import { RefusedByStore } from '../../domain/errors.ts'
import type { StoreInstant } from '../../domain/limits/time-interval.ts'
import type { Page } from '../../ports/store.ts'
import { fromSdk, statusOf, unavailable } from '../guard/sdk-errors.ts'
import { serverInstant } from './server-time.ts'
import { checkRow, isStorableKey, type Row, type StoredRow } from './table-row.ts'
import { TRANSACTION_BYTES_MAX, transactionBytes } from './transaction-size.ts'

type ListingOptions = NonNullable<Parameters<TableClient['listEntities']>[0]>

interface RowQuery {
  /** An OData filter, made with the `odata` tag of the SDK so that values are quoted. */
  readonly filter: string
  /** The properties to read; undefined for all of them. */
  readonly select?: readonly string[]
  /** 1..1000. */
  readonly limit: number
  /** `next` of the page before, or null for the first. */
  readonly after: string | null
  /** Called with the server's time of the answer, where it has one. */
  readonly onAnswer?: (at: StoreInstant) => void
}

export type RowAction =
  | { readonly kind: 'create' | 'upsert'; readonly row: Row }
  | { readonly kind: 'replace'; readonly row: Row; readonly etag: string }

/** `exists`: a row to create exists. `stale`: a row to replace has changed or is gone. In both cases nothing was written. */
type TransactResult =
  | { readonly kind: 'committed'; readonly etags: readonly string[] }
  | { readonly kind: 'exists' | 'stale' }

/** `at`: when the server wrote the row. `found`: the conflicting row, undefined where there is none. */
type PutResult =
  | { readonly kind: 'written'; readonly etag: string; readonly at: StoreInstant | undefined }
  | { readonly kind: 'stale'; readonly found: StoredRow | undefined }

/**
 * One table of Azure Table Storage or Cosmos DB for Table, created by the first write to it; a missing table reads as empty.
 * Every method throws `store_unavailable` while the store is unavailable; whether a write happened is then unknown. Every
 * write throws `RefusedByStore` where the store refuses it for what is in it; nothing was written.
 */
export interface Table {
  readonly name: string
  get(partitionKey: string, rowKey: string): Promise<StoredRow | undefined>
  /** Survives lost replies: returns `created` for a row that an earlier attempt of this call wrote. */
  create(row: Row): Promise<'created' | 'exists'>
  /** Survives lost replies as `create` does. A missing row is `stale`. */
  replace(row: Row, etag: string): Promise<'replaced' | 'stale'>
  /** Replaces the row at `etag`, or creates it where `etag` is undefined. Survives lost replies as `create` does. */
  put(row: Row, etag: string | undefined): Promise<PutResult>
  /** Writes the row unconditionally. */
  upsert(row: Row): Promise<void>
  /** Removes the row if it is still at `etag`; a missing row counts as removed. */
  remove(partitionKey: string, rowKey: string, etag: string): Promise<'removed' | 'stale'>
  /** In no guaranteed order: Cosmos does not sort. May hold fewer rows than `limit`, even none. */
  page(query: RowQuery): Promise<Page<StoredRow>>
  exists(): Promise<boolean>
  /** Creates the table where it is missing, so that no write has to. */
  ensure(): Promise<void>
  /** Removes the table with all its rows; a missing table counts as removed. */
  drop(): Promise<void>
  /** Every row that matches, page by page. Calls `onAnswer` for each page, as `page` does. */
  scan(filter: string, onAnswer?: RowQuery['onAnswer']): AsyncGenerator<StoredRow>
  /**
   * All or nothing: 1..100 rows of one partition, each once. `exists` and `stale` may also stem from an earlier attempt of
   * this call whose reply was lost: look for a row that only this call creates before concluding.
   */
  transact(actions: readonly RowAction[]): Promise<TransactResult>
}

const SCAN_PAGE = 1000
const TRANSACTION_ROWS_MAX = 100

/** A table over the SDK's client for it. */
export function openTable(client: TableClient, name: string): Table {
  const get = async (partitionKey: string, rowKey: string) =>
    isStorableKey(partitionKey) && isStorableKey(rowKey)
      ? translatingErrors(name, () => readRow(client, partitionKey, rowKey))
      : undefined
  const page = (query: RowQuery) => translatingErrors(name, () => readPage(client, query))

  return {
    name,
    get,
    page,
    async create(row) {
      checkRow(name, row)
      const entity = { ...row, writeId: randomUUID() }
      if (await accepted(name, [409], () => creatingTable(client, () => client.createEntity(entity)))) return 'created'
      const found = await get(row.partitionKey, row.rowKey)
      if (found === undefined) throw unavailable(new Error(`Table ${name} refused a row that is not there.`))
      return found.writeId === entity.writeId ? 'created' : 'exists'
    },
    async replace(row, etag) {
      checkRow(name, row)
      const entity = { ...row, writeId: randomUUID() }
      if (await accepted(name, [404, 412], () => client.updateEntity(entity, 'Replace', { etag }))) return 'replaced'
      const found = await get(row.partitionKey, row.rowKey)
      return found?.writeId === entity.writeId ? 'replaced' : 'stale'
    },
    put: (row, etag) => put(client, name, row, etag),
    async upsert(row) {
      checkRow(name, row)
      await translatingErrors(name, () => creatingTable(client, () => client.upsertEntity({ ...row }, 'Replace')))
    },
    async remove(partitionKey, rowKey, etag) {
      if (await accepted(name, [404, 412], () => client.deleteEntity(partitionKey, rowKey, { etag }))) return 'removed'
      return (await get(partitionKey, rowKey)) === undefined ? 'removed' : 'stale'
    },
    exists: () => translatingErrors(name, () => isThere(client)),
    ensure: () => translatingErrors(name, () => client.createTable()),
    drop: () => translatingErrors(name, () => client.deleteTable()),
    async *scan(filter, onAnswer) {
      for (let after: string | null = null; ; ) {
        const query = { filter, limit: SCAN_PAGE, after, ...(onAnswer && { onAnswer }) }
        const { items, next }: Page<StoredRow> = await page(query)
        yield* items
        if (next === null) return
        after = next
      }
    },
    transact: (actions) => transact(client, name, actions),
  }
}

async function put(client: TableClient, name: string, row: Row, etag: string | undefined): Promise<PutResult> {
  checkRow(name, row)
  const entity = { ...row, writeId: randomUUID() }
  const write = () =>
    etag === undefined
      ? creatingTable(client, () => client.createEntity(entity))
      : client.updateEntity(entity, 'Replace', { etag })
  try {
    const reply = await write()
    if (reply.etag !== undefined)
      return { kind: 'written', etag: reply.etag, at: serverInstant(reply.etag, reply.date) }
  } catch (error) {
    if (![404, 409, 412].includes(statusOf(error) ?? 0)) throw fromSdk(`Table ${name}`, error)
  }
  const found = await translatingErrors(name, () => readRow(client, row.partitionKey, row.rowKey))
  if (found?.writeId !== entity.writeId) return { kind: 'stale', found }
  return { kind: 'written', etag: found.etag, at: serverInstant(found.etag, undefined) }
}

async function readRow(client: TableClient, partitionKey: string, rowKey: string): Promise<StoredRow | undefined> {
  try {
    return asStored(await client.getEntity(partitionKey, rowKey))
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}

async function readPage(client: TableClient, query: RowQuery): Promise<Page<StoredRow>> {
  const { filter, select, limit, after, onAnswer } = query
  const onResponse: ListingOptions['onResponse'] = ({ headers }) => {
    const at = serverInstant(undefined, dateOf(headers.get('date')))
    if (at !== undefined) onAnswer?.(at)
  }
  const pages = client
    .listEntities({ queryOptions: { filter, ...(select && { select: [...select] }) }, ...(onAnswer && { onResponse }) })
    .byPage({
      maxPageSize: limit,
      ...(after === null ? {} : { continuationToken: after }),
    })
  try {
    const { value } = await pages.next()
    return { items: (value ?? []).map(asStored), next: value?.continuationToken ?? null }
  } catch (error) {
    if (statusOf(error) === 404) return { items: [], next: null }
    throw error
  }
}

function dateOf(header: string | undefined): Date | undefined {
  const date = new Date(header ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** A page of a table that is not there is a 404. */
async function isThere(client: TableClient): Promise<boolean> {
  try {
    await client.listEntities().byPage({ maxPageSize: 1 }).next()
    return true
  } catch (error) {
    if (statusOf(error) === 404) return false
    throw error
  }
}

function asStored({ partitionKey = '', rowKey = '', etag, timestamp = '', ...properties }: TableEntityResult<object>) {
  return { ...properties, partitionKey, rowKey, etag, timestamp }
}

async function transact(client: TableClient, name: string, actions: readonly RowAction[]): Promise<TransactResult> {
  for (const { row } of actions) checkRow(name, row)
  const bytes = transactionBytes(actions.map(({ row }) => row))
  if (actions.length > TRANSACTION_ROWS_MAX || bytes > TRANSACTION_BYTES_MAX) {
    throw new RefusedByStore(`A transaction on table ${name} is too large: ${actions.length} rows, ${bytes} bytes.`)
  }
  try {
    const reply = await creatingTable(client, () => client.submitTransaction(actions.map(toSdkAction)))
    return { kind: 'committed', etags: reply.subResponses.map(({ etag = '' }) => etag) }
  } catch (error) {
    if (statusOf(error) === 409) return { kind: 'exists' }
    if (statusOf(error) === 412 || statusOf(error) === 404) return { kind: 'stale' }
    throw fromSdk(`Table ${name}`, error)
  }
}

function toSdkAction(action: RowAction): TransactionAction {
  const entity = { ...action.row }
  switch (action.kind) {
    case 'create':
      return ['create', entity]
    case 'upsert':
      return ['upsert', entity, 'Replace']
    case 'replace':
      return ['update', entity, 'Replace', { etag: action.etag }]
  }
}

/** Runs a write; if the table is missing, creates it and runs the write once more. */
async function creatingTable<T>(client: TableClient, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (statusOf(error) !== 404) throw error
    await client.createTable()
    return write()
  }
}

/** Whether the store accepted a write; false when it refused with one of the statuses in `refusals`. */
async function accepted(table: string, refusals: readonly number[], write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (refusals.includes(statusOf(error) ?? 0)) return false
    throw fromSdk(`Table ${table}`, error)
  }
}

async function translatingErrors<T>(table: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromSdk(`Table ${table}`, error)
  }
}
