import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import { z } from 'zod'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { hourIndex, hourName } from '../../domain/usage/calendar.ts'
import type { PushedPart, PushRecord, Rejection } from '../../domain/usage/push.ts'
import type { JournaledPush, NewestAttempt, PushAttempt, PushJournal, PushStore } from '../../ports/usage-reports.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import type { Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, int64, joinText, json, type StoredRow, splitText } from './table-row.ts'

const TABLE_NAME = 'usagebatches'
const REQUESTS_AT_ONCE = 8
const REJECTIONS_PER_ROW = 200
const BEGIN_TRIES_MAX = 10
const JOURNAL_ROWS = 32

const recordShape = z.object({
  batchId: z.string(),
  bodyDigest: z.string(),
  attempt: z.string(),
  acceptedAt: date,
  accepted: int64,
  duplicate: int64,
  parts: int64,
  sent: z.boolean(),
})
const rejectionsShape = json(
  z.array(
    z.strictObject({
      index: z.int(),
      pointer: z.string(),
      code: z.enum(['malformed_json', 'invalid_event', 'key_not_found', 'too_old', 'in_the_future']),
      detail: z.string(),
    }),
  ),
)
const rejectionsRow = z.object({ rejected: rejectionsShape })
/** An attempt that is not accepted has the row key of the record, in its place. */
const attemptShape = z.object({ open: z.literal(true), attempt: z.string(), startedAt: date })
const counted = z.tuple([z.string(), z.string(), z.int()])
const partShape = z.object({ part: int64, applied: int64, late: int64, partitions: json(z.array(counted)).optional() })
/** In the place of the attempt that is barred: no attempt has this name. */
const BARRED = 'barred'
const journalShape = z.object({ providerId: z.string(), batchId: z.string() })

/**
 * `usagebatches`: PartitionKey `<provider id>|<batch id>`, RowKey `batch`, `part|<n>`, and per attempt to accept it
 * `message|<attempt>|<n>` and `rejected|<attempt>|<n>`; PartitionKey `*|<yyyymmddhh>`, RowKey `<provider id>|<batch id>`:
 * the journal of batches that were accepted in that hour, or about to be.
 */
export function tablePushStore(tables: TableAccess): PushStore & PushJournal {
  const table = tables.table(TABLE_NAME)
  return {
    find: (scope, batchId) => find(table, partitionOf(scope, batchId)),
    begin: (scope, attempt) => begin(table, partitionOf(scope, attempt.batchId), attempt),
    async newestAttempt(scope, batchId) {
      const row = await table.get(partitionOf(scope, batchId), RECORD)
      return row && toAttempt(batchId, row)
    },
    async bar(scope, { batchId, startedAt, version }) {
      const row = toAttemptRow(partitionOf(scope, batchId), { attempt: BARRED, startedAt })
      return (await table.replace(row, version)) === 'replaced' ? 'barred' : 'stale'
    },
    accept: (scope, record, messages) => accept(table, scope, record, messages),
    async unsent(scope, record) {
      const rows = await rowsOf(table, partitionOf(scope, record.batchId), `message|${record.attempt}`)
      return rows.map((row) => joinText(TABLE_NAME, 'message', row))
    },
    async markSent(scope, record) {
      const partition = partitionOf(scope, record.batchId)
      await table.upsert(toRecordRow(partition, { ...record, sent: true }))
      await pLimit(REQUESTS_AT_ONCE).map(paddedNumbers(record.parts), (number) =>
        table.remove(partition, `message|${record.attempt}|${number}`, '*'),
      )
    },
    async parts(scope, batchId) {
      const rows = await rowsOf(table, partitionOf(scope, batchId), 'part')
      return rows.map(toPart)
    },
    async partApplied({ providerId, batchId, part }, { partitions, ...counts }) {
      const asTuples = partitions.map(({ day, shard, batches }): z.output<typeof counted> => [day, shard, batches])
      const properties = encodeRow(TABLE_NAME, partShape, { part, ...counts, partitions: asTuples })
      await table.create({
        ...{ partitionKey: `${providerId}|${batchId}`, rowKey: `part|${padNumber(part)}` },
        ...properties,
      })
    },
    async *acceptedBetween(from, to) {
      for (const hour of hoursBetween(from, to)) {
        for await (const push of pushesOfHour(table, hour)) {
          if (push.acceptedAt >= from && push.acceptedAt < to) yield push
        }
      }
    },
  }
}

/** Reads a few batches at once. */
async function* pushesOfHour(table: Table, hour: string): AsyncGenerator<JournaledPush> {
  let rows: StoredRow[] = []
  const read = async () => (await pLimit(REQUESTS_AT_ONCE).map(rows, (row) => readJournaled(table, row))).flat()
  for await (const row of table.scan(inPartition(`*|${hour}`))) {
    rows.push(row)
    if (rows.length < JOURNAL_ROWS) continue
    yield* await read()
    rows = []
  }
  yield* await read()
}

const RECORD = 'batch'

/** Opens the attempt in the place of an earlier open one, whose `accept` then finds the row changed. */
async function begin(table: Table, partitionKey: string, attempt: PushAttempt): Promise<'begun' | 'accepted'> {
  const row = toAttemptRow(partitionKey, attempt)
  for (let tries = 0; tries < BEGIN_TRIES_MAX; tries++) {
    if (tries === 0 && (await table.create(row)) === 'created') return 'begun'
    const found = await table.get(partitionKey, RECORD)
    if (found !== undefined && found.open !== true) return 'accepted'
    const result = await table.put(row, found?.etag)
    if (result.kind === 'written') return 'begun'
  }
  throw unavailable(new Error(`Table ${TABLE_NAME}: other writers always came first.`))
}

function toAttemptRow(partitionKey: string, { attempt, startedAt }: Pick<PushAttempt, 'attempt' | 'startedAt'>) {
  const properties = encodeRow(TABLE_NAME, attemptShape, { open: true, attempt, startedAt })
  return { partitionKey, rowKey: RECORD, ...properties }
}

function toAttempt(batchId: string, row: StoredRow): NewestAttempt {
  const version = row.etag
  if (row.open === true) return { ...decodeRow(TABLE_NAME, attemptShape, row), batchId, isAccepted: false, version }
  const { attempt, acceptedAt } = decodeRow(TABLE_NAME, recordShape, row)
  return { batchId, attempt, startedAt: acceptedAt, isAccepted: true, version }
}

/**
 * Writes the record last, in the place of the open attempt at the ETag that was read before: that is the commit point. An
 * attempt that is not open any more deletes its messages and rejections.
 */
async function accept(
  table: Table,
  scope: OneProvider,
  record: PushRecord,
  messages: readonly string[],
): Promise<'accepted' | 'overtaken'> {
  const partitionKey = partitionOf(scope, record.batchId)
  const rejections = chunksOf(record.rejected).map((rejected) =>
    encodeRow(TABLE_NAME, rejectionsRow, { rejected: [...rejected] }),
  )
  const rows = [
    ...messages.map((text, index) => ({ kind: 'message', text, index })),
    ...rejections.map(({ rejected: text }, index) => ({ kind: 'rejected', text, index })),
  ]
  await pLimit(REQUESTS_AT_ONCE).map(rows, ({ kind, text, index }) => {
    const rowKey = `${kind}|${record.attempt}|${padNumber(index + 1)}`
    return table.upsert({ partitionKey, rowKey, ...splitText(kind, text) })
  })
  await table.upsert({
    partitionKey: journalOf(record.acceptedAt),
    rowKey: partitionKey,
    providerId: scope.providerId,
    batchId: record.batchId,
  })
  if (await commitRecord(table, partitionKey, record)) return 'accepted'
  await pLimit(REQUESTS_AT_ONCE).map(rows, ({ kind, index }) =>
    table.remove(partitionKey, `${kind}|${record.attempt}|${padNumber(index + 1)}`, '*'),
  )
  return 'overtaken'
}

/** Whether this attempt is accepted. After a lost reply the record may be there, and may have been marked as sent. */
async function commitRecord(table: Table, partitionKey: string, record: PushRecord): Promise<boolean> {
  const open = await table.get(partitionKey, RECORD)
  if (open?.attempt !== record.attempt) return false
  if (open.open !== true) return true
  if ((await table.replace(toRecordRow(partitionKey, record), open.etag)) === 'replaced') return true
  const found = await table.get(partitionKey, RECORD)
  return found?.attempt === record.attempt && found.open !== true
}

async function find(table: Table, partitionKey: string): Promise<PushRecord | undefined> {
  const row = await table.get(partitionKey, RECORD)
  if (row === undefined || row.open === true) return undefined
  const record = decodeRow(TABLE_NAME, recordShape, row)
  return { ...record, rejected: await readRejections(table, partitionKey, record.attempt) }
}

async function readRejections(table: Table, partitionKey: string, attempt: string): Promise<readonly Rejection[]> {
  const rows = await rowsOf(table, partitionKey, `rejected|${attempt}`)
  return rows.flatMap((row) => rejectionsShape.parse(joinText(TABLE_NAME, 'rejected', row)))
}

/** Empty where the acceptance was interrupted and never committed, or committed in another hour. */
async function readJournaled(table: Table, journaled: StoredRow): Promise<readonly JournaledPush[]> {
  const { providerId, batchId } = decodeRow(TABLE_NAME, journalShape, journaled)
  const partitionKey = `${providerId}|${batchId}`
  const row = await table.get(partitionKey, RECORD)
  if (row === undefined || row.open === true) return []
  const { acceptedAt, accepted, sent } = decodeRow(TABLE_NAME, recordShape, row)
  if (journalOf(acceptedAt) !== journaled.partitionKey) return []
  const parts = (await rowsOf(table, partitionKey, 'part')).map(toPart)
  const counted = parts.reduce((sum, { applied, late }) => sum + applied + late, 0)
  return [{ providerId, batchId, acceptedAt, accepted, sent, counted }]
}

/** Without its partitions, a part is of a version that did not keep them. */
function toPart(row: StoredRow): PushedPart {
  const { partitions = [], ...part } = decodeRow(TABLE_NAME, partShape, row)
  return { ...part, partitions: partitions.map(([day, shard, batches]) => ({ day, shard, batches })) }
}

function toRecordRow(partitionKey: string, record: PushRecord) {
  return { partitionKey, rowKey: RECORD, ...encodeRow(TABLE_NAME, recordShape, record) }
}

/** The rows `<prefix>|…` of a partition, in the order of their numbers. */
async function rowsOf(table: Table, partitionKey: string, prefix: string): Promise<readonly StoredRow[]> {
  // `}` is the character after `|`.
  const rows = await Array.fromAsync(
    table.scan(odata`PartitionKey eq ${partitionKey} and RowKey ge ${`${prefix}|`} and RowKey lt ${`${prefix}}`}`),
  )
  return rows.sort((a, b) => (a.rowKey < b.rowKey ? -1 : 1))
}

function journalOf(acceptedAt: Date): string {
  return `*|${hourName(hourIndex(acceptedAt.getTime()))}`
}

function inPartition(partitionKey: string): string {
  return odata`PartitionKey eq ${partitionKey}`
}

function partitionOf({ providerId }: OneProvider, batchId: string): string {
  return `${providerId}|${batchId}`
}

function padNumber(number: number): string {
  return String(number).padStart(5, '0')
}

function paddedNumbers(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => padNumber(index + 1))
}

function chunksOf(rejected: readonly Rejection[]): readonly (readonly Rejection[])[] {
  const count = Math.ceil(rejected.length / REJECTIONS_PER_ROW)
  return Array.from({ length: count }, (_, n) => rejected.slice(n * REJECTIONS_PER_ROW, (n + 1) * REJECTIONS_PER_ROW))
}

function hoursBetween(from: Date, to: Date): readonly string[] {
  const [first, last] = [hourIndex(from.getTime()), hourIndex(to.getTime() - 1)]
  return Array.from({ length: last - first + 1 }, (_, index) => hourName(first + index))
}
