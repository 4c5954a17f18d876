import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import { z } from 'zod'
import { keyName } from '../../domain/usage/counters.ts'
import { partitionName } from '../../domain/usage/partition.ts'
import type { DayCounters, UsagePartition } from '../../domain/usage/usage.ts'
import type {
  AppliedBatch,
  CommitResult,
  LedgerRow,
  PartitionChange,
  PartitionMeta,
  ScannedCounters,
  UsageLedger,
} from '../../ports/usage.ts'
import { unavailable } from '../guard/sdk-errors.ts'
import type { RowAction, Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, encodeRow, int64, nullableName, type Row, type StoredRow } from './table-row.ts'
import { counts, fromHours, fromRevokedUse, toHours, toRevokedUse } from './usage-rows.ts'

const META = '_meta'
const BATCH = 'b|'
const COUNTERS = 'k|'
/** The first key after the keys that begin with `COUNTERS`. */
const COUNTERS_END = 'k}'
const READS_AT_ONCE = 16
const ERASURE_TRIES = 20

const metaShape = z.object({ state: z.enum(['open', 'sealed']), batches: int64, total: int64 })
const batchShape = z.object({ ackedBelow: int64, count: int64, at: z.string(), split: z.literal(true).optional() })
const countersShape = z.object({
  ownerId: nullableName,
  environment: z.enum(['test', 'live']),
  total: int64,
  outcomes: counts,
  statusClasses: counts,
  endpoints: counts,
  lastUsedAt: z.string(),
  lastIpHash: nullableName,
  version: int64,
  erased: z.literal(true).optional(),
})

/** `usageYYYYMM`: a partition per day and shard, with the rows `_meta`, `b|<batch id>` and `k|<provider id>|<key id>`. */
export function tableUsageLedger(tables: TableAccess): UsageLedger {
  const tableOf = ({ day }: UsagePartition) => tables.table(`usage${day.slice(0, 6)}`)
  const find = async (partition: UsagePartition, rowKeys: readonly string[]): Promise<readonly StoredRow[]> => {
    const get = (rowKey: string) => tableOf(partition).get(partitionName(partition), rowKey)
    const rows = await pLimit(READS_AT_ONCE).map(rowKeys, get)
    return rows.filter((row) => row !== undefined)
  }
  const readMeta = async (partition: UsagePartition) => {
    const table = tableOf(partition)
    return toMeta(table, await table.get(partitionName(partition), META))
  }

  return {
    readMeta,
    readCounters: async (partition, keys) => {
      const rows = await find(partition, keys.map(countersKey))
      return rows.map((row) => withoutVersion(toCounters(tableOf(partition), row)))
    },
    commit: (partition, change) => commit(tableOf(partition), partition, change),
    async eraseCounters(partition, key, erase) {
      for (let tries = 0; tries < ERASURE_TRIES; tries++) {
        const meta = await readMeta(partition)
        const [row] = await find(partition, [countersKey(key)])
        const outcome = await eraseOnce(tableOf(partition), partition, { meta, row, erase })
        if (outcome !== 'fenced') return outcome
      }
      throw unavailable(new Error(`The counters of ${partitionName(partition)}: other writers always came first.`))
    },
    findApplied: async (partition, batchIds) => {
      const rows = await find(partition, batchIds.map(batchKey))
      return new Map(
        rows.map(({ rowKey, split }) => [rowKey.slice(BATCH.length), split === true ? 'split' : 'counted']),
      )
    },
    seal: async (partition) => {
      const table = tableOf(partition)
      for (let moved = false; !moved; ) {
        const meta = await readMeta(partition)
        if (meta.state === 'sealed') return
        const action = metaAction(table, partition, { ...meta, state: 'sealed' })
        const result =
          action.kind === 'replace' ? await table.replace(action.row, action.etag) : await table.create(action.row)
        moved = result === 'replaced' || result === 'created'
      }
    },
    scan: async (partition) => {
      const table = tableOf(partition)
      const meta = await readMeta(partition)
      return { meta, rows: scanRows(table, odata`PartitionKey eq ${partitionName(partition)}`) }
    },
    scanCounters: async (partition) => {
      const table = tableOf(partition)
      const meta = await readMeta(partition)
      const filter = odata`PartitionKey eq ${partitionName(partition)} and RowKey ge ${COUNTERS} and RowKey lt ${COUNTERS_END}`
      return { meta, counters: scanCounters(table, filter) }
    },
  }
}

async function* scanRows(table: Table, filter: string): AsyncGenerator<LedgerRow> {
  for await (const row of table.scan(filter)) {
    if (row.rowKey.startsWith(BATCH)) yield { kind: 'batch', batch: toBatch(table, row) }
    if (row.rowKey.startsWith(COUNTERS)) yield { kind: 'counters', counters: toCounters(table, row) }
  }
}

async function* scanCounters(table: Table, filter: string): AsyncGenerator<ScannedCounters> {
  for await (const row of table.scan(filter)) yield toCounters(table, row)
}

/** Puts the dedupe rows first, so that a batch counted before is reported as `duplicate` and not as `fenced`. */
async function commit(table: Table, partition: UsagePartition, change: PartitionChange): Promise<CommitResult> {
  const batches = change.meta.batches + change.applied.length
  const total = change.applied.reduce((sum, batch) => sum + batch.count, change.meta.total)
  const meta: PartitionMeta = { ...change.meta, batches, total }
  const partitionKey = partitionName(partition)
  const result = await table.transact([
    ...change.applied.map((batch): RowAction => ({ kind: 'create', row: fromBatch(table, partitionKey, batch) })),
    metaAction(table, partition, meta),
    ...change.counters.map(
      (counters): RowAction => ({
        kind: 'upsert',
        row: fromCounters(table, partitionKey, { ...counters, version: batches }),
      }),
    ),
  ])
  if (result.kind === 'committed') {
    return { kind: 'committed', meta: { ...meta, fence: result.etags[change.applied.length] ?? null } }
  }
  // Without a fence row, `exists` may also mean that another writer created it: `findApplied` tells which.
  return { kind: result.kind === 'exists' ? 'duplicate' : 'fenced' }
}

interface CountersErasure {
  readonly meta: PartitionMeta
  readonly row: StoredRow | undefined
  readonly erase: Parameters<UsageLedger['eraseCounters']>[2]
}

/** `meta` was read before the row. A copy in the roll-up keeps its version, so this makes no work for the roll-up. */
async function eraseOnce(
  table: Table,
  partition: UsagePartition,
  { meta, row, erase }: CountersErasure,
): Promise<'erased' | 'unchanged' | 'fenced'> {
  const before = row && toCounters(table, row)
  const erased = erase(before && withoutVersion(before))
  if (erased === undefined) return 'unchanged'
  const counters = { ...erased, version: before?.version ?? 0 }
  const result = await table.transact([
    metaAction(table, partition, meta),
    { kind: 'upsert', row: fromCounters(table, partitionName(partition), counters) },
  ])
  return result.kind === 'committed' ? 'erased' : 'fenced'
}

function metaAction(table: Table, partition: UsagePartition, { fence, state, batches, total }: PartitionMeta) {
  const row = {
    partitionKey: partitionName(partition),
    rowKey: META,
    ...encodeRow(table.name, metaShape, { state, batches, total }),
  }
  return fence === null ? ({ kind: 'create', row } as const) : ({ kind: 'replace', row, etag: fence } as const)
}

function toMeta(table: Table, row: StoredRow | undefined): PartitionMeta {
  if (row === undefined) return { fence: null, state: 'open', batches: 0, total: 0 }
  return { fence: row.etag, ...decodeRow(table.name, metaShape, row) }
}

function fromBatch(table: Table, partitionKey: string, { batchId, ...batch }: AppliedBatch): Row {
  return { partitionKey, rowKey: batchKey(batchId), ...encodeRow(table.name, batchShape, batch) }
}

function toBatch(table: Table, row: StoredRow): AppliedBatch {
  const { split, ...batch } = decodeRow(table.name, batchShape, row)
  return { batchId: row.rowKey.slice(BATCH.length), ...batch, ...(split && { split }) }
}

function fromCounters(table: Table, partitionKey: string, counters: ScannedCounters): Row {
  const { hours, deniedHours, lastRevokedUse, ...rest } = counters
  return {
    partitionKey,
    rowKey: countersKey(counters),
    ...encodeRow(table.name, countersShape, rest),
    ...toHours('h', hours),
    ...toHours('dn', deniedHours),
    ...toRevokedUse(lastRevokedUse),
  }
}

function toCounters(table: Table, row: StoredRow): ScannedCounters {
  const [providerId = '', keyId = ''] = row.rowKey.slice(COUNTERS.length).split('|')
  const day = row.partitionKey.slice(0, 8)
  const hours = { hours: fromHours('h', row), deniedHours: fromHours('dn', row) }
  const lastRevokedUse = fromRevokedUse(table.name, row)
  return { providerId, keyId, day, ...decodeRow(table.name, countersShape, row), ...hours, lastRevokedUse }
}

function withoutVersion({ version: _, ...counters }: ScannedCounters): DayCounters {
  return counters
}

function batchKey(batchId: string): string {
  return `${BATCH}${batchId}`
}

function countersKey(key: Pick<DayCounters, 'providerId' | 'keyId'>): string {
  return `${COUNTERS}${keyName(key)}`
}
