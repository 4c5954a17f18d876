import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../shared/runtime/config.ts'
import { at, change, ofType, readSnapshot, scenarios, settingsOf } from '../support/infra/snapshot.ts'
import { snapshotRules } from '../support/infra/snapshot-rules.ts'

const broken = (...[rule, ...given]: [string, ...Parameters<NonNullable<ReturnType<typeof snapshotRules.get>>>]) =>
  snapshotRules.get(rule)?.(...given)

test('there is a scenario of each way to run the app', () => {
  expect([...scenarios].sort()).toEqual(['flex', 'kubernetes', 'private', 'throwaway', 'windows'])
})

describe.each(scenarios)('a deployment of %s', (scenario) => {
  const snapshot = readSnapshot(scenario)

  test.each([...snapshotRules])('%s', (_, rule) => {
    expect(rule(snapshot, scenario)).toEqual([])
  })
})

test.each(scenarios.filter((scenario) => scenario !== 'kubernetes'))(
  '%s gives the app settings that it accepts',
  (scenario) => {
    const settings = settingsOf(readSnapshot(scenario))
    const secrets = { ADMIN_KEY: 'a'.repeat(32), KEY_PEPPERS: `p1:${Buffer.alloc(32).toString('base64')}` }
    expect(() => parseConfig({ ...settings, ...secrets })).not.toThrow()
    expect(settings.ADMIN_KEY).toMatch(/^@Microsoft\.KeyVault\(VaultName=kv-\w+;SecretName=admin-key\)$/)
    expect(settings.KEY_PEPPERS).toMatch(/^@Microsoft\.KeyVault\(VaultName=kv-\w+;SecretName=key-peppers\)$/)
  },
)

test('production runs on Flex Consumption with Node 24, and asks the queue before it answers', () => {
  const flex = readSnapshot('flex')
  const [site] = ofType(flex, 'Microsoft.Web/sites')
  expect(at(site, 'properties.functionAppConfig.runtime')).toEqual({ name: 'node', version: '24' })
  expect(at(ofType(flex, 'Microsoft.Web/serverfarms')[0], 'sku.name')).toBe('FC1')
  expect(settingsOf(flex).USAGE_DURABILITY).toBe('queue')
})

test('the queue of every queue function exists before the app starts, and so does its poison queue', () => {
  const folder = join(import.meta.dirname, '../../functions')
  const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
  const queues = sources.flatMap((source) => /\bqueue: '([a-z-]+)'/.exec(source)?.[1] ?? [])
  expect(queues).toContain('usage-events')
  const made = ofType(readSnapshot('flex'), 'Microsoft.Storage/storageAccounts/queueServices/queues')
  expect(made.map(({ name }) => name.split('/').at(-1)).sort()).toEqual(
    queues.flatMap((queue) => [queue, `${queue}-poison`]).sort(),
  )
})

test('instances that always run are those that were asked for', () => {
  const [site] = ofType(readSnapshot('private'), 'Microsoft.Web/sites')
  expect(at(site, 'properties.functionAppConfig.scaleAndConcurrency.alwaysReady')).toEqual([
    { name: 'http', instanceCount: 2 },
    { name: 'function:usage-aggregate', instanceCount: 1 },
  ])
})

test('without telemetry there are no alarms that read it', () => {
  expect(ofType(readSnapshot('kubernetes'), 'Microsoft.Insights/scheduledQueryRules')).toEqual([])
  expect(ofType(readSnapshot('kubernetes'), 'Microsoft.Insights/metricAlerts')).toHaveLength(1)
  expect(ofType(readSnapshot('flex'), 'Microsoft.Insights/scheduledQueryRules').length).toBeGreaterThan(10)
})

describe('a planted fault is found', () => {
  const flex = readSnapshot('flex')

  test('a storage account with a usable key', () => {
    const opened = change(flex, 'Microsoft.Storage/storageAccounts', (account) => ({
      ...account,
      properties: { ...account.properties, allowSharedKeyAccess: true },
    }))
    expect(broken('storage of the data has no usable key', opened, 'flex')).toHaveLength(1)
  })

  test('a wider role', () => {
    const owner = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'
    const wider = change(flex, 'Microsoft.Authorization/roleAssignments', (one) => ({
      ...one,
      properties: {
        ...one.properties,
        roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${owner}`,
      },
    }))
    expect(broken('roles are exactly those of the design', wider, 'flex')?.join()).toContain(owner)
  })

  test('a setting that nothing reads', () => {
    const more = change(flex, 'Microsoft.Web/sites', (site) => ({
      ...site,
      properties: { siteConfig: { appSettings: [{ name: 'USAGE_DURABILTY', value: 'queue' }] } },
    }))
    expect(broken('every setting is read by the app or the host', more, 'flex')).toEqual([
      'USAGE_DURABILTY is read by neither the app nor the host',
    ])
  })

  test('a setting that Flex refuses', () => {
    const more = change(flex, 'Microsoft.Web/sites', (site) => ({
      ...site,
      properties: { siteConfig: { appSettings: [{ name: 'WEBSITE_RUN_FROM_PACKAGE', value: '1' }] } },
    }))
    expect(broken('Flex gets no setting that it refuses', more, 'flex')).toEqual(['WEBSITE_RUN_FROM_PACKAGE'])
  })

  test('a cheaper redundancy', () => {
    const cheap = change(flex, 'Microsoft.Storage/storageAccounts', (account) => ({
      ...account,
      sku: { name: 'Standard_LRS' },
    }))
    expect(broken('keys and usage are kept in three zones', cheap, 'flex')).toHaveLength(1)
  })

  test('a secret in a value', () => {
    const leaked = change(flex, 'Microsoft.Web/sites', (site) => ({
      ...site,
      tags: { pepper: `p1:${Buffer.alloc(32, 7).toString('base64')}` },
    }))
    expect(broken('no value looks like a secret', leaked, 'flex')).not.toEqual([])
  })

  test('a secret that every deployment writes', () => {
    const always = change(flex, 'Microsoft.KeyVault/vaults/secrets', ({ condition, ...secret }) => secret)
    expect(broken('secrets are written only when given', always, 'flex')).toHaveLength(2)
  })
})
