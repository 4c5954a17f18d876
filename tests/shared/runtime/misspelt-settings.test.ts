import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ConfigError, parseConfig, settingNames } from '../../../shared/runtime/config.ts'
import { misspeltSettings, nearestName } from '../../../shared/runtime/misspelt-settings.ts'

const good = {
  AZURE_STORAGE_CONNECTION_STRING: 'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=Zm9v',
  KEY_PEPPERS: `p1:${randomBytes(32).toString('base64')}`,
  ADMIN_KEY: 'an-admin-key-of-at-least-32-characters',
}

/** What machines, build agents and Azure put into an environment. */
const foreign = [
  ...['PATH', 'HOME', 'USER', 'LANG', 'TERM', 'SHELL', 'PWD', 'HOSTNAME', 'NODE_ENV', 'DB_HOST', 'DB_PASS', 'DB_PORT'],
  ...['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET', 'AZURE_STORAGE_KEY', 'AZURE_STORAGE_SAS_TOKEN'],
  ...['AZURE_SUBSCRIPTION_ID', 'AZURE_ENV_NAME', 'AZURE_LOCATION', 'WEBSITE_HOSTNAME', 'WEBSITE_SITE_NAME', 'CI'],
  ...['AzureWebJobsStorage', 'FUNCTIONS_WORKER_RUNTIME', 'FUNCTIONS_EXTENSION_VERSION', 'AzureWebJobsFeatureFlags'],
  ...['APPLICATIONINSIGHTS_CONNECTION_STRING', 'LOCAL_QUEUE_LEASE_SECONDS', 'AZURITE_BLOB_PORT', 'AZURITE_TABLE_PORT'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'MAX_CONNECTIONS', 'RATE_LIMIT', 'CLIENT_ID', 'CLIENT_SECRET'],
  ...['AZURE_STORAGE_AUTH_MODE', 'KEY_VAULT_NAME', 'ADMIN_PASSWORD', 'DB_NAME', 'DB_USER', 'CORS', 'IDENTITY_ENDPOINT'],
]

function slipsOf(name: string): string[] {
  return [...name].flatMap((letter, at) => {
    const [before, after] = [name.slice(0, at), name.slice(at + 1)]
    return [before + after, before + letter + letter + after, `${before}#${after}`]
  })
}

describe('a misspelt setting', () => {
  test.each([
    ['RATE_LIMT_WINDOW', 'RATE_LIMIT_WINDOW'],
    ['RATE_LIMIT_MAX_REQUEST', 'RATE_LIMIT_MAX_REQUESTS'],
    ['ADMINKEY', 'ADMIN_KEY'],
    ['admin_key', 'ADMIN_KEY'],
    ['KEY_PEPPER', 'KEY_PEPPERS'],
    ['STALE_IF_EROR_SECONDS', 'STALE_IF_ERROR_SECONDS'],
    ['DB-PATH', 'DB_PATH'],
    ['ENTRA_TENANTID', 'ENTRA_TENANT_ID'],
    ['MAX_RETIRES', 'MAX_RETRIES'],
    ['CLIENT_IP_SOUCRE', 'CLIENT_IP_SOURCE'],
  ])('%s is named, with %s', (given, meant) => {
    const { warnings } = parseConfig({ ...good, [given]: 'a-secret-value' })
    expect(warnings).toEqual([`${given} is not a setting: ${meant} is meant, perhaps`])
  })

  test('is named with each letter that one may forget, repeat or mistake, in any setting', () => {
    const slips = settingNames.flatMap(slipsOf).filter((slip) => !settingNames.includes(slip))
    expect(slips.length).toBeGreaterThan(500)
    for (const slip of slips) {
      expect([slip, misspeltSettings(settingNames, { [slip]: 'x' })]).toEqual([slip, [expect.stringContaining(slip)]])
    }
  })

  test('is named beside the setting that is missing for it', () => {
    const { ADMIN_KEY, ...others } = good
    expect(() => parseConfig({ ...others, ADMIN_KYE: ADMIN_KEY })).toThrow(
      new ConfigError('ADMIN_KEY is missing\nADMIN_KYE is not a setting: ADMIN_KEY is meant, perhaps'),
    )
  })
})

test('the names of other programs and of the platform are no misspelt settings', () => {
  expect(misspeltSettings(settingNames, Object.fromEntries(foreign.map((name) => [name, 'x'])))).toEqual([])
  expect(parseConfig({ ...good, ...Object.fromEntries(foreign.map((name) => [name, 'x'])) }).warnings).toEqual([])
})

test('a name has a nearest one only where it is near', () => {
  expect(nearestName('RATE_LIMT_WINDOW', settingNames)).toBe('RATE_LIMIT_WINDOW')
  expect(nearestName('COLOR', settingNames)).toBeUndefined()
})
