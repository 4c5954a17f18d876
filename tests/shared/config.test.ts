import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ConfigError, parseConfig, settingNames } from '../../shared/config.ts'

const pepper = randomBytes(32).toString('base64')
const good = {
  AZURE_STORAGE_CONNECTION_STRING: 'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=Zm9v',
  KEY_PEPPERS: `p1:${pepper}`,
  ADMIN_KEY: 'an-admin-key-of-at-least-32-characters',
  USAGE_DURABILITY: 'relaxed',
}

/** The lines of the refusal. */
function faultsOf(change: Readonly<Record<string, string | undefined>>): string[] {
  try {
    parseConfig({ ...good, ...change })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
}

describe('settings', () => {
  test('are read as they were meant', () => {
    expect(parseConfig(good)).toMatchObject({
      storageConnectionString: good.AZURE_STORAGE_CONNECTION_STRING,
      peppers: [{ version: 'p1', bytes: Buffer.from(pepper, 'base64') }],
      adminKey: good.ADMIN_KEY,
      usageDurability: 'relaxed',
    })
  })

  test('that are wrong are all named at once, each on a line of its own', () => {
    const wrong = Object.fromEntries(settingNames.map((name) => [name, '?']))
    expect(faultsOf(wrong).map((line) => line.split(' ', 1)[0])).toEqual(settingNames)
  })

  test('that are missing or empty are named, but for those with a default', () => {
    for (const nothing of [undefined, '', '  ']) {
      const lines = faultsOf(Object.fromEntries(settingNames.map((name) => [name, nothing])))
      expect(lines.map((line) => line.split(' ', 1)[0])).toEqual([
        'AZURE_STORAGE_CONNECTION_STRING',
        'KEY_PEPPERS',
        'ADMIN_KEY',
      ])
    }
    expect(parseConfig({ ...good, USAGE_DURABILITY: '' }).usageDurability).toBe('strict')
  })

  test('never show their value in a refusal: some of them are secrets', () => {
    const marks = Object.fromEntries(settingNames.map((name) => [name, 'value~mark']))
    expect(faultsOf(marks).join()).not.toContain('mark')
  })

  test('that nobody knows are let be: an app has many of the platform’s own', () => {
    expect(faultsOf({ WEBSITE_SITE_NAME: 'x', FUNCTIONS_WORKER_RUNTIME: 'node' })).toEqual([])
  })
})

describe('KEY_PEPPERS', () => {
  test('are listed newest first, and white space between them is nothing', () => {
    const [newest, older] = [randomBytes(32), randomBytes(64)]
    const text = `p2:${newest.toString('base64')} , p1:${older.toString('base64')}`
    expect(parseConfig({ ...good, KEY_PEPPERS: text }).peppers).toEqual([
      { version: 'p2', bytes: newest },
      { version: 'p1', bytes: older },
    ])
  })

  test.each([
    ['too short', `p1:${randomBytes(31).toString('base64')}`],
    ['without a version', pepper],
    ['with an empty item', `p1:${pepper},`],
    ['with one bad item among good ones', `p2:${pepper},p1:short`],
    ['that name one version twice', `p1:${pepper},p1:${pepper}`],
    ['in URL-safe base64', `p1:${'_'.repeat(44)}`],
  ])('%s are refused', (_, text) => {
    expect(faultsOf({ KEY_PEPPERS: text })).toHaveLength(1)
  })
})

test.each([
  'UseDevelopmentStorage=true',
  'AccountName=acme;AccountKey=Zm9v',
  'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=',
  'DefaultEndpointsProtocol=https;AccountName=acme',
  'TableEndpoint=https://acme.table.core.windows.net;SharedAccessSignature=sv=1',
  'https://acme.table.core.windows.net',
])('AZURE_STORAGE_CONNECTION_STRING is named where an SDK could not read it: %s', (text) => {
  expect(faultsOf({ AZURE_STORAGE_CONNECTION_STRING: text })).toEqual([
    'AZURE_STORAGE_CONNECTION_STRING must be an Azure Storage connection string with tables and queues',
  ])
})

test('ADMIN_KEY has 32 characters or more, white space around it not counted', () => {
  expect(faultsOf({ ADMIN_KEY: 'x'.repeat(31) })).toHaveLength(1)
  expect(faultsOf({ ADMIN_KEY: `${'x'.repeat(31)} \n` })).toHaveLength(1)
  expect(parseConfig({ ...good, ADMIN_KEY: ` ${'x'.repeat(32)}\n` }).adminKey).toBe('x'.repeat(32))
})
