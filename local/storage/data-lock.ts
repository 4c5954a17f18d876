import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HostError } from '../errors.ts'
import { inFolder } from './in-folder.ts'

/**
 * Locks a data folder against a second host: two Azurites over the same files would corrupt them. Resolves to the
 * function that releases the lock. The lock is SQLite's on `host.lock`, which the system drops when its process ends,
 * however it ends; `host.pid` only names that process. `host.lock` stays: a lock on a removed file guards nothing.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const pidFile = join(dataDir, 'host.pid')
  const lock = await inFolder(dataDir, async () => {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    return takeLock(join(dataDir, 'host.lock'))
  })
  if (lock === undefined) {
    const holder = await readFile(pidFile, 'utf8').catch(() => 'another host')
    throw new HostError(`${dataDir} is in use by process ${holder}. Stop it, or give --memory or --data DIR.`)
  }
  await writeFile(pidFile, String(process.pid))
  return async () => {
    await rm(pidFile, { force: true })
    lock.close()
  }
}

/** Undefined where another connection has the lock. */
function takeLock(file: string): DatabaseSync | undefined {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA journal_mode = MEMORY')
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (error instanceof Error && error.message.includes('locked')) return undefined
    throw error
  }
}
