import type { DatabaseSync } from 'node:sqlite'
import type { UsageEvent } from '../../domain/usage/usage.ts'
import type { RevocationSpool } from '../../ports/keys.ts'
import type { LooseUses, Spool, SpooledBatch, UsageSpool } from '../../ports/spool.ts'
import { keyFromText, keyToText } from './key-json.ts'
import { inTransaction, isDiskFull } from './local-database.ts'

const SPOOL_BYTES_MAX = 100 * 1024 * 1024

/** Keeps a producer while it may still batch uses or is open. When the file is opened: while it has loose uses or is open. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS usage_loose (
    position INTEGER PRIMARY KEY, producer TEXT NOT NULL, events TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS usage_batches (
    position INTEGER PRIMARY KEY, producer TEXT NOT NULL, number INTEGER NOT NULL,
    made_at INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (producer, number));
  CREATE TABLE IF NOT EXISTS usage_producers (producer TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS usage_open (producer TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pending_revocations (key_id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
  DELETE FROM usage_producers WHERE producer NOT IN (
    SELECT producer FROM usage_loose UNION SELECT producer FROM usage_open);`

/** The spool in a local database that syncs every commit. Loose uses are stored as recorded, with the address. */
export function sqliteSpool(database: DatabaseSync, bytesMax: number = SPOOL_BYTES_MAX): Spool {
  database.exec(TABLES)
  return { usage: usageSpool(database, bytesMax), revocations: revocationSpool(database) }
}

function usageSpool(database: DatabaseSync, bytesMax: number): UsageSpool {
  const rows = usageRows(database)
  let { batches, looseBytes, batchBytes } = rows.measure()
  let oldestMadeAtMs = rows.oldestMadeAtMs()

  return {
    append: (producer, events) => {
      const text = JSON.stringify(events)
      const size = Buffer.byteLength(text)
      if (looseBytes + batchBytes + size > bytesMax || !fits(() => rows.append(producer, text))) return 'full'
      looseBytes += size
      return 'kept'
    },
    loose: () => rows.loose(),
    storeBatches: (producer, stored) => {
      const freed = rows.looseBytes(producer)
      if (!fits(() => inTransaction(database, () => rows.storeBatches(producer, stored)))) return 'full'
      looseBytes -= freed
      batchBytes += stored.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0)
      batches += stored.length
      oldestMadeAtMs ??= stored[0]?.madeAtMs
      return 'stored'
    },
    foldLoose: (producer, events) => {
      const text = JSON.stringify(events)
      const freed = rows.looseBytes(producer)
      if (!fits(() => inTransaction(database, () => rows.foldLoose(producer, text)))) return 'full'
      looseBytes += Buffer.byteLength(text) - freed
      return 'kept'
    },
    numbering: (producer) => rows.numbering(producer),
    oldest: (limit) => rows.oldest(limit),
    remove: (batch) => {
      if (!rows.remove(batch)) return
      batches--
      batchBytes -= Buffer.byteLength(batch.body)
      oldestMadeAtMs = rows.oldestMadeAtMs()
    },
    fill: () => ({
      batches: batches + (looseBytes > 0 ? 1 : 0),
      bytes: looseBytes + batchBytes,
      oldestMadeAtMs,
    }),
    ...openMarks(database),
  }
}

function openMarks(database: DatabaseSync): Pick<UsageSpool, 'markOpen' | 'unmarkOpen' | 'openProducers'> {
  const insert = database.prepare('INSERT OR IGNORE INTO usage_open (producer) VALUES (?)')
  const remove = database.prepare('DELETE FROM usage_open WHERE producer = ?')
  const select = database.prepare('SELECT producer FROM usage_open ORDER BY producer')
  return {
    markOpen: (producer) => void insert.run(producer),
    unmarkOpen: (producer) => void remove.run(producer),
    openProducers: () => (select.all() as { producer: string }[]).map(({ producer }) => producer),
  }
}

/** The statements, each prepared once. */
function usageRows(database: DatabaseSync) {
  const one = <Row>(sql: string) => {
    const statement = database.prepare(sql)
    return (...values: readonly (string | number)[]) => statement.get(...values) as Row
  }
  const insertLoose = database.prepare('INSERT INTO usage_loose (producer, events) VALUES (?, ?)')
  const selectLoose = database.prepare('SELECT producer, events FROM usage_loose ORDER BY position')
  const sumLoose = one<{ bytes: number }>(
    'SELECT coalesce(sum(octet_length(events)), 0) AS bytes FROM usage_loose WHERE producer = ?',
  )
  const deleteLoose = database.prepare('DELETE FROM usage_loose WHERE producer = ?')
  const insertBatch = database.prepare(
    'INSERT INTO usage_batches (producer, number, made_at, body) VALUES (?, ?, ?, ?)',
  )
  const setLast = database.prepare('INSERT OR REPLACE INTO usage_producers (producer, last) VALUES (?, ?)')
  const numbering = one<{ last: number; oldest: number | null }>(
    `SELECT coalesce((SELECT last FROM usage_producers WHERE producer = ?1), 0) AS last,
      (SELECT min(number) FROM usage_batches WHERE producer = ?1) AS oldest`,
  )
  const selectOldest = database.prepare(
    'SELECT producer, number, made_at AS madeAtMs, body FROM usage_batches ORDER BY position LIMIT ?',
  )
  const oldestMadeAt = one<{ madeAtMs: number } | undefined>(
    'SELECT made_at AS madeAtMs FROM usage_batches ORDER BY position LIMIT 1',
  )
  const deleteBatch = database.prepare('DELETE FROM usage_batches WHERE producer = ? AND number = ?')
  const measure = one<{ batches: number; batchBytes: number; looseBytes: number }>(
    `SELECT count(*) AS batches, coalesce(sum(octet_length(body)), 0) AS batchBytes,
      (SELECT coalesce(sum(octet_length(events)), 0) FROM usage_loose) AS looseBytes FROM usage_batches`,
  )
  return {
    append: (producer: string, text: string) => insertLoose.run(producer, text),
    loose: () => groupByProducer(selectLoose.all() as { producer: string; events: string }[]),
    looseBytes: (producer: string) => sumLoose(producer).bytes,
    storeBatches: (producer: string, batches: readonly SpooledBatch[]) => {
      for (const { number, madeAtMs, body } of batches) insertBatch.run(producer, number, madeAtMs, body)
      setLast.run(producer, Math.max(...batches.map(({ number }) => number)))
      deleteLoose.run(producer)
    },
    foldLoose: (producer: string, text: string) => {
      deleteLoose.run(producer)
      insertLoose.run(producer, text)
    },
    numbering: (producer: string) => {
      const { last, oldest } = numbering(producer)
      return { last, oldestWaiting: oldest ?? undefined }
    },
    oldest: (limit: number) => selectOldest.all(limit) as unknown as readonly SpooledBatch[],
    oldestMadeAtMs: () => oldestMadeAt()?.madeAtMs,
    remove: ({ producer, number }: SpooledBatch) => deleteBatch.run(producer, number).changes > 0,
    measure,
  }
}

function revocationSpool(database: DatabaseSync): RevocationSpool {
  const insert = database.prepare('INSERT OR IGNORE INTO pending_revocations (key_id, key) VALUES (?, ?)')
  const select = database.prepare('SELECT key FROM pending_revocations ORDER BY key_id')
  const remove = database.prepare('DELETE FROM pending_revocations WHERE key_id = ?')
  return {
    put: (key) => {
      insert.run(key.keyId, keyToText(key))
    },
    list: () => (select.all() as { key: string }[]).map(({ key }) => keyFromText(key)),
    remove: (keyId) => {
      remove.run(keyId)
    },
  }
}

function groupByProducer(rows: readonly { readonly producer: string; readonly events: string }[]): LooseUses[] {
  const groups = new Map<string, UsageEvent[]>()
  for (const { producer, events } of rows) {
    const group = groups.get(producer) ?? []
    group.push(...(JSON.parse(events) as readonly UsageEvent[]).map((event) => ({ ...event, at: new Date(event.at) })))
    groups.set(producer, group)
  }
  return [...groups].map(([producer, events]) => ({ producer, events }))
}

/** Runs `step`. Returns false where the disk was full; SQLite has rolled the step back. */
function fits(step: () => unknown): boolean {
  try {
    step()
    return true
  } catch (error) {
    if (isDiskFull(error)) return false
    throw error
  }
}
