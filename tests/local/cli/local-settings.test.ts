import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadLocalSettings } from '../../../local/cli/local-settings.ts'
import { parseConfig } from '../../../shared/runtime/config.ts'
import { makeTemporaryFolder } from '../../support/samples/temporary-folder.ts'

const STORE = { AZURE_STORAGE_CONNECTION_STRING: 'DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==' }

test('the first run generates settings with which the app starts, and later runs reuse them', async () => {
  const folder = join(await makeTemporaryFolder(), 'data')
  const settings = await loadLocalSettings(folder, {})
  expect(() => parseConfig({ ...STORE, ...settings })).not.toThrow()
  expect(await loadLocalSettings(folder, {})).toEqual(settings)
})

test('only the owner can read the file and enter the folder, even when the file had other permissions', async () => {
  const folder = join(await makeTemporaryFolder(), 'data')
  await loadLocalSettings(folder, {})
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  expect(await modeOf(folder)).toBe('700')
  expect(await modeOf(join(folder, 'settings.json'))).toBe('600')

  const open = await makeTemporaryFolder()
  await writeFile(join(open, 'settings.json'), '{}', { mode: 0o644 })
  await loadLocalSettings(open, {})
  expect(await modeOf(join(open, 'settings.json'))).toBe('600')
})

test('the environment wins over the file, and its settings are neither generated nor stored', async () => {
  const folder = await makeTemporaryFolder()
  const environment = { ADMIN_KEY: 'mine', USAGE_DURABILITY: 'relaxed' }
  await writeFile(join(folder, 'settings.json'), '{ "USAGE_DURABILITY": "strict", "OTHER": "kept" }')
  expect(Object.keys(await loadLocalSettings(folder, environment)).sort()).toEqual(['KEY_PEPPERS', 'OTHER'])
  const text = await readFile(join(folder, 'settings.json'), 'utf8')
  expect(text).not.toContain('mine')
  expect(JSON.parse(text)).toMatchObject({ USAGE_DURABILITY: 'strict', OTHER: 'kept' })
})

test('an empty setting counts as missing', async () => {
  expect(await loadLocalSettings(undefined, { ADMIN_KEY: '' })).toHaveProperty('ADMIN_KEY')
})

test('without a folder the settings are generated on every start', async () => {
  const [first, second] = [await loadLocalSettings(undefined, {}), await loadLocalSettings(undefined, {})]
  expect(first.ADMIN_KEY).not.toBe(second.ADMIN_KEY)
  expect(first.KEY_PEPPERS).not.toBe(second.KEY_PEPPERS)
})

test.each(['{', '[]', '"x"', '{ "PORT": 1 }'])('a file that holds %s is refused with its name', async (text) => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'settings.json'), text)
  await expect(loadLocalSettings(folder, {})).rejects.toThrow(/settings\.json must be a JSON object/)
})
