import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type LocalDatabase,
  openLocalDatabase,
  openOrphanedDatabase,
  ownDatabase,
} from '../../../../shared/adapters/sqlite/local-database.ts'
import { makeTemporaryFolder } from '../../../support/samples/temporary-folder.ts'

let folder: string
let logged: string[]
const opened: LocalDatabase[] = []
const cleanUps: (() => Promise<void>)[] = []

beforeEach(async () => {
  folder = await makeTemporaryFolder((cleanUp) => cleanUps.push(cleanUp))
  logged = []
})
afterEach(async () => {
  for (const local of opened.splice(0)) local.close()
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

const options = (fingerprint = 'abc') => ({
  ...{ folder, fingerprint },
  log: (level: string, message: string) => void logged.push(`${level} ${message}`),
})
function open(fingerprint?: string): LocalDatabase {
  const local = openLocalDatabase(options(fingerprint))
  if (local === undefined) throw new Error(logged.join())
  opened.push(local)
  return local
}

test('opens a file per caller, and reuses a closed one', () => {
  const [first, second] = [open(), open()]
  expect([first.slot, second.slot]).toEqual([0, 1])
  first.database.exec('CREATE TABLE kept (value)')
  first.close()
  const next = open()
  expect(next.slot).toBe(0)
  expect(next.database.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'kept' }])
})

test('never opens the file of another deployment', () => {
  open('abc').close()
  expect(open('def').file).toBe(join(folder, 'auth-api-def-0.db'))
})

test('is a write-ahead log that syncs every commit and that no other user of the machine can read', async () => {
  const { database } = open()
  database.exec('CREATE TABLE some (value)')
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  expect([pragma('journal_mode'), pragma('synchronous'), pragma('locking_mode')]).toEqual(['wal', 2, 'exclusive'])
  const files = await readdir(folder)
  expect(files.sort()).toEqual(['auth-api-abc-0.db', 'auth-api-abc-0.db-wal'])
  for (const file of files) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
})

test('quarantines a damaged file, logs that, and starts an empty one', async () => {
  await writeFile(join(folder, 'auth-api-abc-0.db'), 'no database '.repeat(1000))
  expect(open().slot).toBe(0)
  expect(logged).toEqual(['error A local database was damaged and is put aside; what it held is not sent.'])
  const files = await readdir(folder)
  expect(files.filter((file) => /^auth-api-abc-0\.db\.damaged-\d{8}T\d{9}Z$/.test(file))).toHaveLength(1)
})

test('is undefined where no file can be created, and logs why, once', async () => {
  await writeFile(join(folder, 'no-folder'), '')
  const open = ownDatabase({ ...options(), folder: join(folder, 'no-folder') })
  expect([open(), open()]).toEqual([undefined, undefined])
  expect(logged).toEqual(['error The local database is not available.'])
})

test('opens an orphaned file only where one exists and no process has it open', () => {
  expect(openOrphanedDatabase(options(), 0)).toBeUndefined()
  const local = open()
  expect(openOrphanedDatabase(options(), 0)).toBeUndefined()
  local.close()
  const orphaned = openOrphanedDatabase(options(), 0)
  expect(orphaned?.slot).toBe(0)
  orphaned?.close()
})

test('stays locked by this process while it searches for orphaned files', async () => {
  const { file } = open()
  expect(openOrphanedDatabase(options(), 0)).toBeUndefined()
  const child = spawnWriter(folder)
  await once(child.stdout ?? child, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  expect((await readdir(folder)).filter((name) => name.endsWith('.db')).sort()).toEqual([
    basename(file),
    'auth-api-abc-1.db',
  ])
})

test('has what another process committed before its SIGKILL, once the same slot is opened again', async () => {
  const child = spawnWriter(folder)
  const [line] = await once(child.stdout ?? child, 'data')
  expect(openOrphanedDatabase(options(), 0)).toBeUndefined()
  child.kill('SIGKILL')
  await once(child, 'close')
  const { database, slot } = open()
  const committed = Number(String(line).trim().split('\n').at(-1))
  const { rows } = database.prepare('SELECT count(*) AS rows FROM written').get() as { rows: number }
  expect(slot).toBe(0)
  expect(rows).toBeGreaterThanOrEqual(committed)
})

/** Prints how many rows it has committed. */
function spawnWriter(into: string): ChildProcess {
  const script = `
    import { openLocalDatabase } from ${JSON.stringify(join(import.meta.dirname, '../../../../shared/adapters/sqlite/local-database.ts'))}
    const { database } = openLocalDatabase({ folder: ${JSON.stringify(into)}, fingerprint: 'abc', log: console.error })
    database.exec('CREATE TABLE written (value)')
    const insert = database.prepare('INSERT INTO written VALUES (?)')
    for (let rows = 1; ; rows++) { insert.run('x'); process.stdout.write(rows + '\\n') }`
  return spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
