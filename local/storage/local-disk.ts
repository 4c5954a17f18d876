import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Returns the folder of the app's SQLite files: in the data folder, else a temporary one that is removed at exit. */
export function chooseLocalDisk(dataDir: string | undefined): string {
  if (dataDir !== undefined) return resolve(dataDir, 'local-database')
  const folder = mkdtempSync(join(tmpdir(), 'auth-api-local-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
