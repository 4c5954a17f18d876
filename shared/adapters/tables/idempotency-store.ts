import * as z from 'zod'
import type { IdempotencyRecord, IdempotencyStore } from '../../ports/idempotency.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, joinText, json, type Row, type StoredRow, splitText } from './table-row.ts'

/** A record without its row's keys, and without the answer, which may be too long for one property. */
const shape = z.object({ requestDigest: z.string(), seed: z.string(), startedAt: date, expiresAt: date })

const answerText = json(
  z
    .object({
      status: z.int(),
      headers: z.record(z.string(), z.string()).readonly(),
      body: z.unknown(),
    })
    .nullable(),
)
const answerShape = z.object({ answer: answerText })

/** Uses of Idempotency-Keys, one row each, in the table `idempotency` by default. An answer of more than about 500,000 characters does not fit. */
export function tableIdempotencyStore(tables: TableAccess, name = 'idempotency'): IdempotencyStore {
  const table = tables.table(name)

  function toRow(record: IdempotencyRecord): Row {
    const { answer } = encodeRow(table.name, answerShape, record)
    const { callerId: partitionKey, keyDigest: rowKey } = record
    return { partitionKey, rowKey, ...encodeRow(table.name, shape, record), ...splitText('answer', answer) }
  }

  function toRecord(row: StoredRow): IdempotencyRecord {
    const answer = joinText(table.name, 'answer', row)
    const { partitionKey: callerId, rowKey: keyDigest } = row
    return {
      ...{ callerId, keyDigest },
      ...decodeRow(table.name, shape, row),
      ...decodeRow(table.name, answerShape, { ...row, answer }),
    }
  }

  return {
    insert: async (record) => ((await table.create(toRow(record))) === 'created' ? 'inserted' : 'exists'),
    async find(callerId, keyDigest) {
      const row = await table.get(callerId, keyDigest)
      return row && { value: toRecord(row), version: row.etag }
    },
    replace: (record, version) => table.replace(toRow(record), version),
    async remove({ callerId, keyDigest, startedAt }) {
      const row = await table.get(callerId, keyDigest)
      if (row?.startedAt === startedAt.toISOString()) await table.remove(callerId, keyDigest, row.etag)
    },
  }
}
