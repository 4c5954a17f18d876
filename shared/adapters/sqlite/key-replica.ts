import type { DatabaseSync } from 'node:sqlite'
import type { Key, Revocation } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { KeyReplica, ReadAt, ReplicaStep } from '../../ports/key-cache.ts'
import { revocationText } from '../tables/key-rows.ts'
import { providerShape } from '../tables/provider-store.ts'
import { noLineage } from '../tables/rate-limits-column.ts'
import { decodeRow, encodeRow, type StoredRow } from '../tables/table-row.ts'
import { keyFromText, keyToText } from './key-json.ts'
import { inTransaction } from './local-database.ts'

const PLACE = 'on the local disk'
const KEYS_MAX = 100_000
const REVOCATIONS_MAX = 200_000
/** Counting rows scans a whole index: too slow for every step. */
const STEPS_BETWEEN_TRIMS = 60

const TABLES = `
  CREATE TABLE IF NOT EXISTS replica_keys (
    position INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, key_id TEXT NOT NULL,
    key TEXT NOT NULL, read_at INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS replica_keys_by_id ON replica_keys (key_id);
  CREATE TABLE IF NOT EXISTS replica_aliases (alias TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS replica_providers (
    provider_id TEXT PRIMARY KEY, provider TEXT, read_at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS replica_revocations (
    position INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, revocation TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS replica_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;`

/** The replica in a local database, opened on first use; without a database it stays empty. */
export function sqliteKeyReplica(open: () => DatabaseSync | undefined, keysMax: number = KEYS_MAX): KeyReplica {
  let opened: { readonly rows: ReplicaRows | undefined } | undefined
  let steps = 0

  function rows(): ReplicaRows | undefined {
    if (opened === undefined) {
      const database = open()
      opened = { rows: database && replicaRows(database) }
    }
    return opened.rows
  }

  return {
    findByDigest: (digest) => rows()?.key('digest', digest) ?? confirmed(rows()?.key('alias', digest), digest),
    findByKeyId: (keyId) => rows()?.key('key_id', keyId),
    findProvider: (providerId) => rows()?.provider(providerId),
    findRevocation: (digest) => rows()?.revocation(digest),
    watermarkMs: () => rows()?.watermarkMs(),
    countKeys: () => rows()?.countKeys() ?? 0,
    save(step) {
      const table = rows()
      if (table === undefined) return
      table.write(step)
      if (steps++ % STEPS_BETWEEN_TRIMS === 0) table.trim(keysMax, REVOCATIONS_MAX)
    },
  }
}

type ReplicaRows = ReturnType<typeof replicaRows>

/** The key, if the alias that led to it is its current one. */
function confirmed(found: ReadAt<Key> | undefined, alias: string): ReadAt<Key> | undefined {
  return found?.value.alias === alias ? found : undefined
}

/** The statements, each prepared once. */
function replicaRows(database: DatabaseSync) {
  database.exec(TABLES)
  const prepare = (sql: string) => database.prepare(sql)
  const keyBy = {
    digest: prepare('SELECT key, read_at FROM replica_keys WHERE digest = ?'),
    key_id: prepare('SELECT key, read_at FROM replica_keys WHERE key_id = ?'),
    alias: prepare(`SELECT key, read_at FROM replica_keys WHERE digest = (
      SELECT digest FROM replica_aliases WHERE alias = ?)`),
  }
  const provider = prepare('SELECT provider, read_at FROM replica_providers WHERE provider_id = ?')
  const revocation = prepare('SELECT revocation FROM replica_revocations WHERE digest = ?')
  const watermark = prepare("SELECT value FROM replica_state WHERE name = 'watermark'")
  const countKeys = prepare('SELECT count(*) AS count FROM replica_keys')
  // A row that is written again moves to the end.
  const trimKeys = prepare(`DELETE FROM replica_keys WHERE position IN (
    SELECT position FROM replica_keys ORDER BY position LIMIT ?)`)
  const trimAliases = prepare('DELETE FROM replica_aliases WHERE digest NOT IN (SELECT digest FROM replica_keys)')
  const trimRevocations = prepare(`DELETE FROM replica_revocations WHERE position <= (
    SELECT max(position) FROM replica_revocations) - ?`)
  const write = stepWriter(database)
  const count = () => Number(countKeys.get()?.count)

  return {
    write(step: ReplicaStep) {
      inTransaction(database, () => write(step))
      // The write-ahead log still has the pages as they were. A step that fails here is written again.
      if (step.erasedKeys.length > 0 || step.forget) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    },
    key(column: keyof typeof keyBy, value: string): ReadAt<Key> | undefined {
      const row = keyBy[column].get(value)
      return row && readable(() => ({ value: keyFromText(String(row.key)), readAtMs: Number(row.read_at) }))
    },
    provider(providerId: string): ReadAt<Provider | null> | undefined {
      const row = provider.get(providerId)
      return row && readable(() => ({ value: toProvider(providerId, row.provider), readAtMs: Number(row.read_at) }))
    },
    revocation(digest: string): Revocation | undefined {
      const row = revocation.get(digest)
      return row && (readable(() => revocationText.decode(String(row.revocation))) ?? undefined)
    },
    watermarkMs: () => watermark.get()?.value as number | undefined,
    countKeys: count,
    trim(keysMax: number, revocationsMax: number) {
      trimKeys.run(Math.max(0, count() - keysMax))
      trimAliases.run()
      trimRevocations.run(revocationsMax)
    },
  }
}

function stepWriter(database: DatabaseSync): (step: ReplicaStep) => void {
  const prepare = (sql: string) => database.prepare(sql)
  const addRevocation = prepare('INSERT OR REPLACE INTO replica_revocations (digest, revocation) VALUES (?, ?)')
  const removeKey = prepare('DELETE FROM replica_keys WHERE digest = ?')
  const removeProvider = prepare('DELETE FROM replica_providers WHERE provider_id = ?')
  const addKey = prepare('INSERT OR REPLACE INTO replica_keys (digest, key_id, key, read_at) VALUES (?, ?, ?, ?)')
  const addAlias = prepare('INSERT OR REPLACE INTO replica_aliases (alias, digest) VALUES (?, ?)')
  const addProvider = prepare(
    'INSERT OR REPLACE INTO replica_providers (provider_id, provider, read_at) VALUES (?, ?, ?)',
  )
  const moveWatermark = prepare("INSERT OR REPLACE INTO replica_state (name, value) VALUES ('watermark', ?)")

  function change({ revoked, removedKeys, erasedKeys, removedProviders }: ReplicaStep): void {
    for (const { digest, revocation } of revoked) addRevocation.run(digest, revocationText.encode(revocation))
    for (const digest of [...removedKeys, ...erasedKeys]) removeKey.run(digest)
    for (const providerId of removedProviders) removeProvider.run(providerId)
  }
  function add({ keys, providers }: ReplicaStep): void {
    for (const { value: key, readAtMs } of keys) {
      addKey.run(key.digest, key.keyId, keyToText(key), whole(readAtMs))
      if (key.alias !== undefined) addAlias.run(key.alias, key.digest)
    }
    for (const { value, readAtMs } of providers) {
      addProvider.run(value.providerId, fromProvider(value.provider), whole(readAtMs))
    }
  }

  return (step) => {
    if (step.forget)
      database.exec('DELETE FROM replica_keys; DELETE FROM replica_aliases; DELETE FROM replica_providers')
    change(step)
    add(step)
    if (step.watermarkMs !== undefined) moveWatermark.run(whole(step.watermarkMs))
  }
}

function fromProvider(provider: Provider | null): string | null {
  return provider && JSON.stringify(encodeRow(PLACE, providerShape, provider))
}

function toProvider(providerId: string, text: unknown): Provider | null {
  if (text === null) return null
  return {
    ...decodeRow(PLACE, providerShape, { ...noLineage, ...(JSON.parse(String(text)) as StoredRow) }),
    providerId,
  }
}

/** Returns undefined for a row of another version of this service, and for a damaged one. */
function readable<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function whole(ms: number): number {
  return Math.floor(ms)
}
