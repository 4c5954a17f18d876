import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { lockDataDir } from '../../../local/storage/data-lock.ts'
import { makeTemporaryFolder } from '../../support/samples/temporary-folder.ts'

test('a locked folder is refused with the id of the process', async () => {
  const folder = await makeTemporaryFolder()
  const unlock = await lockDataDir(folder)
  await expect(lockDataDir(folder)).rejects.toThrow(`is in use by process ${process.pid}`)
  await unlock()
  await expect(lockDataDir(folder)).resolves.toBeTypeOf('function')
})

test.each([
  ['a dead process', 2 ** 22 + 1],
  ['a live process that is no host', process.ppid],
])('the id of %s, left behind, locks nothing', async (_, pid) => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'host.pid'), String(pid))
  await expect(lockDataDir(folder)).resolves.toBeTypeOf('function')
})

test('a killed process leaves no lock', async () => {
  const folder = await makeTemporaryFolder()
  const module = join(import.meta.dirname, '../../../local/storage/data-lock.ts')
  const script = `const { lockDataDir } = await import(${JSON.stringify(pathToFileURL(module).href)})
    await lockDataDir(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await expect(lockDataDir(folder)).rejects.toThrow(`is in use by process ${child.pid}`)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await expect(lockDataDir(folder)).resolves.toBeTypeOf('function')
})

test('a released folder names no process', async () => {
  const folder = await makeTemporaryFolder()
  const unlock = await lockDataDir(folder)
  expect((await readdir(folder)).sort()).toEqual(['host.lock', 'host.pid'])
  await unlock()
  expect(await readdir(folder)).toEqual(['host.lock'])
})
