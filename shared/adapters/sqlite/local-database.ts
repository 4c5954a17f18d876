import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Log } from '../../ports/runtime.ts'

export interface LocalDatabaseOptions {
  /** An absolute path on a local disk: WAL does not work on a network share. Undefined: one in the system's temporary folder. */
  readonly folder: string | undefined
  /** `[0-9a-f]+`: separates the deployments on one machine, so that none sends what another one wrote. */
  readonly fingerprint: string
  readonly log: Log
}

/** One SQLite file under an exclusive lock: no other process can open it. */
export interface LocalDatabase {
  readonly database: DatabaseSync
  readonly file: string
  readonly slot: number
  /** Idempotent. */
  close(): void
}

const SLOTS = 32
const [BUSY, CORRUPT, FULL, NOT_A_DATABASE] = [5, 11, 13, 26]

/** Opens this process's file on the first call; every call returns the same one. */
export function ownDatabase(options: LocalDatabaseOptions): () => LocalDatabase | undefined {
  let opened: { readonly local: LocalDatabase | undefined } | undefined
  return () => {
    opened ??= { local: openLocalDatabase(options) }
    return opened.local
  }
}

/**
 * Opens the deployment's first file that no process has open, creating it if missing: write-ahead log, every commit synced
 * to the disk, readable by this user alone. The lock ends with the process, however that ends, so the next process finds
 * what a killed one wrote. Quarantines a damaged file. Returns undefined, and logs why, where no file can be opened.
 */
export function openLocalDatabase(options: LocalDatabaseOptions): LocalDatabase | undefined {
  try {
    const folder = openFolder(options.folder)
    for (let slot = 0; slot < SLOTS; slot++) {
      const local = openSlot(folder, slot, options)
      if (local !== undefined) return local
    }
    options.log('error', 'The local database is not available: every file of it is taken.', { slots: SLOTS })
  } catch (error) {
    options.log('error', 'The local database is not available.', { cause: nameOf(error) })
  }
  return undefined
}

/** Opens the file of a slot if it exists and no process has it open: its process ended and never came back. */
export function openOrphanedDatabase(options: LocalDatabaseOptions, slot: number): LocalDatabase | undefined {
  const folder = options.folder ?? defaultFolder()
  try {
    if (!lstatSync(fileOf(folder, options.fingerprint, slot)).isFile()) return undefined
    return openSlot(folder, slot, options)
  } catch {
    return undefined
  }
}

/** The slots that a deployment may have files in. */
export const localDatabaseSlots: readonly number[] = Array.from({ length: SLOTS }, (_, slot) => slot)

/** Runs `step` in one transaction: all of it is committed, or none. */
export function inTransaction(database: DatabaseSync, step: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    step()
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** The one failure of a statement that is certain to have been rolled back. */
export function isDiskFull(error: unknown): boolean {
  return sqliteCode(error) === FULL
}

function openSlot(folder: string, slot: number, options: LocalDatabaseOptions): LocalDatabase | undefined {
  const file = fileOf(folder, options.fingerprint, slot)
  try {
    return openFile(file, slot)
  } catch (error) {
    const code = sqliteCode(error)
    if (code === BUSY) return undefined
    if (code !== CORRUPT && code !== NOT_A_DATABASE) throw error
    quarantine(file)
    options.log('error', 'A local database was damaged and is put aside; what it held is not sent.', { file })
    return openFile(file, slot)
  }
}

function openFile(file: string, slot: number): LocalDatabase {
  createPrivately(file)
  const database = new (sqlite().DatabaseSync)(file, { timeout: 0 })
  try {
    // In this order: under an exclusive lock SQLite keeps the WAL index in memory and creates no shared-memory file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA journal_size_limit = 8388608')
    // What is deleted is overwritten, so that an erased key is not left in free pages.
    database.exec('PRAGMA secure_delete = ON')
    database.exec('BEGIN EXCLUSIVE; COMMIT')
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
  } catch (error) {
    database.close()
    throw error
  }
  return {
    ...{ database, file, slot },
    close: () => {
      if (database.isOpen) database.close()
    },
  }
}

/**
 * Creates the file before SQLite does, which would take the mode from the umask; throws on a planted link. Does not open an
 * existing file: closing it would release the locks that this process may hold on it (POSIX ties locks to the file, not to
 * the descriptor).
 */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!lstatSync(file).isFile()) throw new Error('Something that is no file is in the place of a local database.')
    chmodSync(file, 0o600)
  }
}

/** Any user may create folders in the temporary directory: throws unless the default folder belongs to this user. */
function openFolder(configured: string | undefined): string {
  const folder = configured ?? defaultFolder()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (configured === undefined && process.getuid !== undefined) {
    const { uid } = lstatSync(folder)
    if (uid !== process.getuid()) throw new Error('The default folder of the local database belongs to another user.')
    chmodSync(folder, 0o700)
  }
  return folder
}

function defaultFolder(): string {
  return join(tmpdir(), 'auth-api')
}

function fileOf(folder: string, fingerprint: string, slot: number): string {
  return join(folder, `auth-api-${fingerprint}-${slot}.db`)
}

function quarantine(file: string): void {
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(/[^0-9TZ]/g, '')}`
  renameSync(file, aside)
  try {
    renameSync(`${file}-wal`, `${aside}-wal`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Loaded on first use, without the warning that some versions of Node print for it. */
function sqlite(): typeof import('node:sqlite') {
  const { emitWarning } = process
  process.emitWarning = () => undefined
  try {
    const module = process.getBuiltinModule('node:sqlite')
    if (module === undefined) throw new Error('This version of Node has no node:sqlite.')
    return module
  } finally {
    process.emitWarning = emitWarning
  }
}

function sqliteCode(error: unknown): number | undefined {
  const code = (error as { readonly errcode?: number }).errcode
  return code === undefined ? undefined : code & 0xff
}

function nameOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
