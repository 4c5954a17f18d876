import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadLocalSettings, unknownSettings } from '../../../local/cli/local-settings.ts'
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

const utf16 = Buffer.from('\uFEFF{ "ADMIN_KEY": "x" }', 'utf16le')

test.each<[what: string, content: string | Buffer, message: RegExp]>([
  ['half a file', '{', /is not JSON: line 1, column 2: a closing brace is missing/],
  ['a trailing comma', '{\n  "DB_FALLBACK": "true",\n}\n', /line 3, column 1: a comma stands before a closing bracket/],
  [
    'a value without quotes',
    '{\n  "COSMOS_RU_LIMIT": "400",\n  "DB_PATH": /tmp\n}',
    /line 3, column 14: text without double quotes/,
  ],
  ['nothing', '', /a value is missing/],
  ['a comment', '{\n// mine\n}', /line 2, column 1: a comment is not allowed/],
  ['an array', '["x"]', /must be a JSON object.*it holds an array/],
  ['a string', '"x"', /it holds a string/],
  ['null', 'null', /it holds null/],
  [
    'numbers',
    '{ "PORT": 1, "OTHER": [] }',
    /PORT is a number, OTHER is an array\. Every value must be text in double quotes/,
  ],
  ['UTF-16', utf16, /save it as UTF-8/],
])('a file that holds %s is refused with its name and its cure', async (_, content, message) => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'settings.json'), content)
  const refusal = loadLocalSettings(folder, {})
  await expect(refusal).rejects.toThrow(/settings\.json/)
  await expect(refusal).rejects.toThrow(message)
})

test('an error in a file shows no value of it', async () => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'settings.json'), '{\n  "ADMIN_KEY": "sesame-open-sesame" "x"\n}')
  const said = await loadLocalSettings(folder, {}).catch(String)
  expect(said).toContain('line 2, column 37: a comma is missing')
  expect(said).not.toContain('sesame')
})

test('a byte order mark before the settings is no error', async () => {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'settings.json'), '\uFEFF{ "OTHER": "kept" }')
  expect(await loadLocalSettings(folder, {})).toMatchObject({ OTHER: 'kept' })
})

test('a data folder that is a file is refused with its cure', async () => {
  const file = join(await makeTemporaryFolder(), 'data')
  await writeFile(file, '')
  await expect(loadLocalSettings(file, {})).rejects.toThrow(/cannot be used: a part of its path is a file/)
})

test('names in the file that nothing reads are named, with the nearest setting; the platform reads its own', () => {
  const settings = {
    RATE_LIMT_WINDOW: '5',
    COLOR: 'red',
    AZURITE_BLOB_PROT: '1',
    ADMIN_KEY: 'x',
    AzureWebJobsStorage: 'x',
    FUNCTIONS_WORKER_RUNTIME: 'node',
  }
  expect(unknownSettings(settings)).toEqual([
    'RATE_LIMT_WINDOW is not a setting: RATE_LIMIT_WINDOW is meant, perhaps',
    'COLOR is not a setting',
    'AZURITE_BLOB_PROT is not a setting: AZURITE_BLOB_PORT is meant, perhaps',
  ])
})
