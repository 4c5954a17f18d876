import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockDataDir } from '../../../local/storage/data-lock.ts'
import { makeTemporaryFolder } from '../../support/samples/temporary-folder.ts'

test('a folder locked by a live process is refused with the id of the process', async () => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'host.pid'), String(process.ppid))
  await expect(lockDataDir(folder)).rejects.toThrow(`is in use by process ${process.ppid}`)
})

test('a stale lock of a dead process is ignored', async () => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'host.pid'), String(2 ** 22 + 1))
  await expect(lockDataDir(folder)).resolves.toBeTypeOf('function')
})

test('a released folder contains no lock', async () => {
  const folder = await makeTemporaryFolder()
  const unlock = await lockDataDir(folder)
  expect(await readdir(folder)).toEqual(['host.pid'])
  await unlock()
  expect(await readdir(folder)).toEqual([])
})
