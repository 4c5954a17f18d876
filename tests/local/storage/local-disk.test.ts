import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { chooseLocalDisk } from '../../../local/storage/local-disk.ts'

test('the SQLite files are in the data folder, so that the next run finds them', () => {
  expect(chooseLocalDisk('data')).toBe(resolve('data/local-database'))
})

test('without a data folder they are in a temporary folder that is removed at exit', () => {
  const module = JSON.stringify(join(import.meta.dirname, '../../../local/storage/local-disk.ts'))
  const script = `
    import { existsSync } from 'node:fs'
    import { chooseLocalDisk } from ${module}
    const folder = chooseLocalDisk(undefined)
    console.log(JSON.stringify([folder, existsSync(folder)]))`
  const output = execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', script])
  const [folder, existed] = JSON.parse(String(output))
  expect([existed, existsSync(folder)]).toEqual([true, false])
})
