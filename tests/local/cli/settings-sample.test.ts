import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { azuriteConnectionString } from '../../../local/storage/azurite.ts'
import { parseConfig, settingNames } from '../../../shared/runtime/config.ts'

const text = await readFile(fileURLToPath(new URL('../../../local.settings.sample.json', import.meta.url)), 'utf8')
const { Values: values } = JSON.parse(text) as { Values: Record<string, string> }

/** Settings of the Functions host itself, under Core Tools. */
const HOST_SETTINGS = ['FUNCTIONS_WORKER_RUNTIME', 'AzureWebJobsStorage']

test('local.settings.sample.json holds every setting and no other', () => {
  expect(Object.keys(values).sort()).toEqual([...HOST_SETTINGS, ...settingNames].sort())
})

test('local.settings.sample.json parses, and its values are the defaults of omitted settings', () => {
  const { AZURE_STORAGE_CONNECTION_STRING, KEY_PEPPERS, ADMIN_KEY } = values
  const required = { AZURE_STORAGE_CONNECTION_STRING, KEY_PEPPERS, ADMIN_KEY }
  expect(parseConfig(values)).toEqual(parseConfig(required))
})

test('local.settings.sample.json names an Azurite on its default ports, by address', () => {
  const defaultPorts = azuriteConnectionString({ blob: 10_000, queue: 10_001, table: 10_002 })
  expect(values.AZURE_STORAGE_CONNECTION_STRING).toBe(defaultPorts)
})
