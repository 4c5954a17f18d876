import type { Table } from '../../../shared/adapters/tables/table.ts'
import type { TableAccess } from '../../../shared/adapters/tables/table-access.ts'

/** Called around every request to the tables, numbered from 0. The caller gets what the watch throws. */
export interface RequestWatch {
  before?(request: number): Promise<void> | void
  /** The store has executed the request; a throw here is a lost reply. */
  after?(request: number): Promise<void> | void
}

/** The same tables with `watch` around each request: to crash between two requests, to lose or to delay a reply. */
export function watchTables(tables: TableAccess, watch: RequestWatch): TableAccess {
  let requests = 0
  async function watched<T>(work: () => Promise<T>): Promise<T> {
    const request = requests++
    await watch.before?.(request)
    const result = await work()
    await watch.after?.(request)
    return result
  }
  function wrap(table: Table): Table {
    return {
      ...table,
      get: (partitionKey, rowKey) => watched(() => table.get(partitionKey, rowKey)),
      create: (row) => watched(() => table.create(row)),
      replace: (row, etag) => watched(() => table.replace(row, etag)),
      upsert: (row) => watched(() => table.upsert(row)),
      remove: (partitionKey, rowKey, etag) => watched(() => table.remove(partitionKey, rowKey, etag)),
      page: (query) => watched(() => table.page(query)),
      transact: (actions) => watched(() => table.transact(actions)),
    }
  }
  return { table: (name) => wrap(tables.table(name)) }
}
