import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ConfigError, parseConfig, settingNames } from '../../../shared/runtime/config.ts'

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
  test('are parsed', () => {
    expect(parseConfig(good)).toMatchObject({
      storage: { kind: 'connection', connectionString: good.AZURE_STORAGE_CONNECTION_STRING },
      peppers: [{ version: 'p1', bytes: Buffer.from(pepper, 'base64') }],
      adminKeys: [good.ADMIN_KEY],
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
        'KEY_PEPPERS',
        'ADMIN_KEY',
        'AZURE_STORAGE_CONNECTION_STRING',
      ])
    }
    expect(parseConfig({ ...good, USAGE_DURABILITY: '' }).usageDurability).toBe('queue')
  })

  test('that hold a reference which the platform did not resolve are refused by name, with the cure', () => {
    const reference = '@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/value~mark/0123)'
    for (const text of [reference, ` ${reference}`, `p2:${pepper},${reference}`, reference.toLowerCase()]) {
      const lines = faultsOf(Object.fromEntries(settingNames.map((name) => [name, text])))
      expect(lines.map((line) => line.split(' ', 1)[0])).toEqual(settingNames)
      for (const line of lines) expect(line).toMatch(/did not resolve.*identity/)
      expect(lines.join()).not.toContain('mark')
    }
    expect(faultsOf({ ADMIN_KEY: reference })).toHaveLength(1)
    expect(faultsOf({ ADMIN_KEY: '@Microsoft.AppConfiguration(Endpoint=https://acme.azconfig.io; Key=a)' })).toEqual([
      expect.stringMatching(/^ADMIN_KEY .*did not resolve/),
    ])
  })

  test('never show their value in a refusal: some of them are secrets', () => {
    const marks = Object.fromEntries(settingNames.map((name) => [name, 'value~mark']))
    expect(faultsOf(marks).join()).not.toContain('mark')
  })

  test('that are unknown are ignored: an app has many of the platform’s own', () => {
    expect(faultsOf({ WEBSITE_SITE_NAME: 'x', FUNCTIONS_WORKER_RUNTIME: 'node' })).toEqual([])
  })
})

describe('KEY_PEPPERS', () => {
  test('are listed newest first, and white space between them is nothing', () => {
    const [newest, older] = [randomBytes(32), randomBytes(64)]
    const text = `p2:${newest.toString('base64')} , p1:${older.toString('base64')}`
    expect(parseConfig({ ...good, KEY_PEPPERS: text }).peppers).toEqual([
      { version: 'p2', bytes: newest, acceptOnly: false },
      { version: 'p1', bytes: older, acceptOnly: false },
    ])
  })

  test('with a question mark are accepted only', () => {
    const next = randomBytes(32)
    const peppers = parseConfig({ ...good, KEY_PEPPERS: `p2?:${next.toString('base64')},p1:${pepper}` }).peppers
    expect(peppers).toEqual([
      { version: 'p2', bytes: next, acceptOnly: true },
      { version: 'p1', bytes: Buffer.from(pepper, 'base64'), acceptOnly: false },
    ])
  })

  test.each([
    ['too short', `p1:${randomBytes(31).toString('base64')}`],
    ['without a version', pepper],
    ['with an empty item', `p1:${pepper},`],
    ['with one bad item among good ones', `p2:${pepper},p1:short`],
    ['that name one version twice', `p1:${pepper},p1:${pepper}`],
    ['that are all accepted only', `p1?:${pepper}`],
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

test('ADMIN_KEY_PREVIOUS is a second admin key', () => {
  const previous = 'y'.repeat(32)
  expect(parseConfig({ ...good, ADMIN_KEY_PREVIOUS: previous }).adminKeys).toEqual([good.ADMIN_KEY, previous])
})

describe('settings that belong together', () => {
  test('the storage account may be named instead of a connection string: the app’s own identity opens it', () => {
    const { AZURE_STORAGE_CONNECTION_STRING: _, ...rest } = good
    expect(parseConfig({ ...rest, AZURE_STORAGE_ACCOUNT: 'acme01' }).storage).toEqual({
      kind: 'identity',
      account: 'acme01',
    })
  })

  test.each(['AZURE_COSMOS_CONNECTION_STRING', 'AZURE_COSMODB_CONNECTION_STRING'])('%s moves the tables', (name) => {
    const connectionString = 'AccountName=a;AccountKey=Zm9v;TableEndpoint=https://a.table.cosmos.azure.com:443/;'
    expect(parseConfig({ ...good, [name]: connectionString }).cosmos).toEqual({ kind: 'connection', connectionString })
  })

  test('one of ENTRA_TENANT_ID and ENTRA_AUDIENCE without the other is named', () => {
    const id = '11111111-2222-4333-8444-555555555555'
    expect(faultsOf({ ENTRA_TENANT_ID: id })).toEqual(['ENTRA_AUDIENCE is missing: ENTRA_TENANT_ID is set'])
    expect(faultsOf({ ENTRA_AUDIENCE: id })).toEqual(['ENTRA_TENANT_ID is missing: ENTRA_AUDIENCE is set'])
    expect(parseConfig({ ...good, ENTRA_TENANT_ID: `${id}, ${id}`, ENTRA_AUDIENCE: 'api://x' }).entra).toEqual({
      tenants: [id, id],
      audience: 'api://x',
      allowedApps: [],
    })
  })

  test.each([
    ['direct', { kind: 'direct' }],
    ['none', { kind: 'none' }],
    ['hops:20', { kind: 'hops', count: 20 }],
    [
      'frontdoor:AAAAAAAA-2222-4333-8444-555555555555',
      { kind: 'frontdoor', id: 'aaaaaaaa-2222-4333-8444-555555555555' },
    ],
  ])('CLIENT_IP_SOURCE %s is understood', (text, source) => {
    expect(parseConfig({ ...good, CLIENT_IP_SOURCE: text }).clientIpSource).toEqual(source)
  })

  test.each(['hops:0', 'hops:21', 'hops:1.5', 'frontdoor:', 'frontdoor:mine', 'Direct', 'x-forwarded-for'])(
    'CLIENT_IP_SOURCE %s is refused',
    (text) => {
      expect(faultsOf({ CLIENT_IP_SOURCE: text })).toHaveLength(1)
    },
  )

  test('DB_FALLBACK=false leaves no file on the disk', () => {
    expect(parseConfig({ ...good, DB_FALLBACK: 'false', DB_PATH: '/tmp/x' }).localDatabase).toBeUndefined()
    expect(parseConfig({ ...good, DB_PATH: '/tmp/x' }).localDatabase).toEqual({ folder: '/tmp/x' })
  })
})

describe('a secret', () => {
  const secret = 'an-admin-key-of-at-least-32-characters'
  const broken: readonly (readonly [string, string])[] = [
    ['a letter that a header cannot carry', `${secret}é`],
    ['a control character', `${secret}\u0007`],
    ['a blank at its end', `${secret} `],
    ['a line break at its end', `${secret}\n`],
    ['a blank at its beginning', ` ${secret}`],
    ['a line break in it', `${secret}\n${secret}`],
    ['a character of no width', `${secret}\u200b`],
    ['a no-break space', `${secret}\u00a0`],
  ]

  test.each(broken)('of an admin with %s is refused, and not shown', (_, value) => {
    for (const name of ['ADMIN_KEY', 'ADMIN_KEY_PREVIOUS']) {
      const lines = faultsOf({ [name]: value })
      expect(lines).toEqual([
        `${name} must be 32 to 1,024 printable ASCII characters without blanks: a header carries no others`,
      ])
    }
  })

  test('of an admin with a blank in it, or too short or long, is refused', () => {
    for (const value of [`${secret} ${secret}`, 'x'.repeat(31), 'x'.repeat(1025)]) {
      expect(faultsOf({ ADMIN_KEY: value })).toHaveLength(1)
    }
    expect(faultsOf({ ADMIN_KEY: 'x'.repeat(1024), ADMIN_KEY_PREVIOUS: '!~'.repeat(16) })).toEqual([])
  })

  test.each(broken)('in a connection string with %s is refused', (_, mark) => {
    const account = 'DefaultEndpointsProtocol=https;AccountName=acme;TableEndpoint=https://a;AccountKey=Zm9v'
    const value = mark.replaceAll(secret, account)
    for (const name of [
      'AZURE_STORAGE_CONNECTION_STRING',
      'AZURE_COSMOS_CONNECTION_STRING',
      'AZURE_COSMODB_CONNECTION_STRING',
    ]) {
      expect(faultsOf({ [name]: value })).toEqual([`${name} must be printable ASCII, without blanks around it`])
    }
  })
})

test('a number that is wrong is told its range', () => {
  const range = 'RATE_LIMIT_WINDOW must be a whole number of seconds from 1 to 86,400'
  for (const value of ['0', '86401', '1.5', 'x', '-1', '1e99', 'NaN'])
    expect(faultsOf({ RATE_LIMIT_WINDOW: value })).toEqual([range])
})

test('CORS_ORIGINS takes exact origins, and no pattern', () => {
  const origins = ['https://app.example.com', 'http://localhost:3000']
  expect(parseConfig(good).corsOrigins).toEqual([])
  expect(parseConfig({ ...good, CORS_ORIGINS: origins.join(' , ') }).corsOrigins).toEqual(origins)
  for (const wrong of [
    '*',
    'https://*.example.com',
    'https://a.example/',
    'https://a.example/app',
    'a.example',
    'null',
    'https://A.example',
    'https://a.example,',
  ]) {
    expect(faultsOf({ CORS_ORIGINS: wrong })).toEqual([
      expect.stringMatching(/^CORS_ORIGINS must be exact origins.*\* is refused/),
    ])
  }
})
