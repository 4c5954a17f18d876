import type { TableAccess } from '../../../shared/adapters/tables/table-access.ts'
import type { StoreInstant } from '../../../shared/domain/limits/time-interval.ts'
import type { Clock } from '../../../shared/ports/runtime.ts'

/** The same tables, whose service has this clock: it dates every write exactly and every page to the second. */
export function atStoreTime(tables: TableAccess, clock: Pick<Clock, 'now'>): TableAccess {
  const since = (fromMs: number, lastsMs: number): StoreInstant => ({ fromMs, toMs: fromMs + lastsMs })
  return {
    table(name) {
      const table = tables.table(name)
      return {
        ...table,
        async put(row, etag) {
          const at = since(clock.now().getTime(), 1)
          const result = await table.put(row, etag)
          return result.kind === 'written' ? { ...result, at } : result
        },
        scan: (filter, onAnswer) =>
          table.scan(
            filter,
            onAnswer && (() => onAnswer(since(Math.floor(clock.now().getTime() / 1000) * 1000, 1000))),
          ),
      }
    },
  }
}
