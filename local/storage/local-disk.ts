import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where the app keeps its SQLite files: in the data folder, and without one in a temporary folder that goes at the end. */
export function chooseLocalDisk(dataDir: string | undefined): string {
  if (dataDir !== undefined) return resolve(dataDir, 'local-database')
  const folder = mkdtempSync(join(tmpdir(), 'auth-api-local-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
