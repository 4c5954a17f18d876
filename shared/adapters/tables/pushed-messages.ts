import { odata } from '@azure/data-tables'
import type { PushedMessages } from '../../ports/usage-reports.ts'
import { rewritePage } from './rewrite-rows.ts'
import type { TableAccess } from './table-access.ts'
import { joinText, splitText } from './table-row.ts'

const PAGE = 100

/** The rows `message|<attempt>|<n>` of `usagebatches`. */
export function tablePushedMessages(tables: TableAccess): PushedMessages {
  const table = tables.table('usagebatches')
  return {
    erase({ providerId }, erase, after) {
      // `}` is the character after `|`.
      const batches = odata`PartitionKey ge ${`${providerId}|`} and PartitionKey lt ${`${providerId}}`}`
      const filter = `${batches} and RowKey ge 'message|' and RowKey lt 'message}'`
      return rewritePage(table, { filter, limit: PAGE, after }, (row) => {
        const text = erase(joinText(table.name, 'message', row))
        return text === undefined ? undefined : splitText('message', text)
      })
    },
  }
}
