import { odata } from '@azure/data-tables'
import { z } from 'zod'
import { poisonReasons } from '../../domain/usage/poison.ts'
import type { PoisonedMessage, PoisonStore } from '../../ports/poison.ts'
import type { Versioned } from '../../ports/store.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, joinText, json, type Row, type StoredRow, splitText } from './table-row.ts'

const PARTITION = 'poison'

const shape = z.object({ reason: z.enum(poisonReasons), detail: json(z.string()), setAsideAt: date })

/** `usagepoison`: one row for each message that waits for an operator. The body is base64: the store may have refused it. */
export function tablePoisonStore(tables: TableAccess): PoisonStore {
  const table = tables.table('usagepoison')

  const fromRow = (row: StoredRow): Versioned<PoisonedMessage> => {
    const body = Buffer.from(joinText(table.name, 'body', row), 'base64').toString()
    return { value: { id: row.rowKey, ...decodeRow(table.name, shape, row), body }, version: row.etag }
  }

  const toRow = ({ id, body, ...message }: PoisonedMessage): Row => ({
    partitionKey: PARTITION,
    rowKey: id,
    ...encodeRow(table.name, shape, message),
    ...splitText('body', Buffer.from(body).toString('base64')),
  })

  return {
    put: (message) => table.upsert(toRow(message)),
    replace: (message, version) => table.replace(toRow(message), version),
    async find(id) {
      const row = await table.get(PARTITION, id)
      return row && fromRow(row)
    },
    async page({ limit, after }) {
      const { items, next } = await table.page({ filter: odata`PartitionKey eq ${PARTITION}`, limit, after })
      return { items: items.map(fromRow), next }
    },
    remove: (id, version) => table.remove(PARTITION, id, version),
  }
}
