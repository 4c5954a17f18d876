import { settingNames } from '../../../shared/runtime/config.ts'
import { expectedRoles } from './expected-roles.ts'
import { at, ofType, type Resource, type Scenario, type Snapshot, settingsOf, type Value } from './snapshot.ts'

/** What a deployment must be. Each rule returns a line per violation, so that planted faults can be tested too. */
export type Rule = (snapshot: Snapshot, scenario: Scenario) => readonly string[]

/** Settings that the Functions host reads, or that name a connection. */
const hostSettings = [
  /^AZURE_CLIENT_ID$/,
  /^AZURE_STORAGE_CONNECTION_STRING__(?:queueServiceUri|credential|clientId)$/,
  /^AzureWebJobsStorage__(?:blobServiceUri|credential|clientId)$/,
  /^APPLICATIONINSIGHTS_(?:CONNECTION_STRING|AUTHENTICATION_STRING)$/,
  /^AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__(?:maxTelemetryItemsPerSecond|excludedTypes)$/,
]

/** Settings that Windows Consumption needs and that a Flex app refuses or ignores. */
const forbiddenOnFlex = [
  'FUNCTIONS_WORKER_RUNTIME',
  'FUNCTIONS_EXTENSION_VERSION',
  'WEBSITE_NODE_DEFAULT_VERSION',
  'WEBSITE_RUN_FROM_PACKAGE',
  'WEBSITE_CONTENTAZUREFILECONNECTIONSTRING',
  'WEBSITE_CONTENTSHARE',
  'AzureWebJobsStorage',
  'SCM_DO_BUILD_DURING_DEPLOYMENT',
  'ENABLE_ORYX_BUILD',
]

const rules = {
  'no diagnostics': ({ diagnostics }) => diagnostics.map((line) => JSON.stringify(line)),
  'storage of the data has no usable key': (snapshot) =>
    faults(accounts(snapshot, 'stdata'), { 'properties.allowSharedKeyAccess': false }),
  'storage of the host has a usable key on Windows only': (snapshot, scenario) =>
    faults(accounts(snapshot, 'sthost'), { 'properties.allowSharedKeyAccess': scenario === 'windows' }),
  'storage is closed to anonymous readers and old TLS': (snapshot) =>
    faults(ofType(snapshot, 'Microsoft.Storage/storageAccounts'), {
      'properties.allowBlobPublicAccess': false,
      'properties.minimumTlsVersion': 'TLS1_2',
      'properties.supportsHttpsTrafficOnly': true,
      'properties.allowCrossTenantReplication': false,
    }),
  'Cosmos DB has no keys and reads what was written': (snapshot) =>
    faults(ofType(snapshot, 'Microsoft.DocumentDB/databaseAccounts'), {
      'properties.disableLocalAuth': true,
      'properties.minimalTlsVersion': 'Tls12',
      'properties.consistencyPolicy.defaultConsistencyLevel': 'Strong',
    }),
  'the vault goes by roles': (snapshot) =>
    faults(ofType(snapshot, 'Microsoft.KeyVault/vaults'), { 'properties.enableRbacAuthorization': true }),
  'purge protection is never false': (snapshot) =>
    ofType(snapshot, 'Microsoft.KeyVault/vaults')
      .filter((vault) => at(vault, 'properties.enablePurgeProtection') === false)
      .map(({ name }) => `${name}: Azure refuses false; leave it out`),
  'telemetry needs an identity': (snapshot) => [
    ...faults(ofType(snapshot, 'Microsoft.Insights/components'), { 'properties.DisableLocalAuth': true }),
    ...faults(ofType(snapshot, 'Microsoft.OperationalInsights/workspaces'), {
      'properties.features.disableLocalAuth': true,
    }),
  ],
  'the registry has no admin and no anonymous pull': (snapshot) =>
    faults(ofType(snapshot, 'Microsoft.ContainerRegistry/registries'), {
      'properties.adminUserEnabled': false,
      'properties.anonymousPullEnabled': false,
    }),
  'the site takes HTTPS with TLS 1.2 only, without CORS': (snapshot) =>
    faults(ofType(snapshot, 'Microsoft.Web/sites'), {
      'properties.httpsOnly': true,
      'properties.siteConfig.minTlsVersion': '1.2',
      'properties.siteConfig.scmMinTlsVersion': '1.2',
      'properties.siteConfig.ftpsState': 'Disabled',
      'properties.siteConfig.cors.allowedOrigins': [],
    }),
  'passwords for ftp and scm are off': publishingByPassword,
  'an update of Flex lets running requests finish': (snapshot, scenario) =>
    scenario === 'windows'
      ? []
      : faults(ofType(snapshot, 'Microsoft.Web/sites'), {
          'properties.functionAppConfig.siteUpdateStrategy.type': 'RollingUpdate',
        }),
  'roles are exactly those of the design': (snapshot, scenario) =>
    differences(rolesOf(snapshot), expectedRoles(scenario)),
  'every setting is read by the app or the host': (snapshot, scenario) =>
    Object.keys(settingsOf(snapshot))
      .filter((name) => !isRead(name) && !(scenario === 'windows' && forbiddenOnFlex.includes(name)))
      .map((name) => `${name} is read by neither the app nor the host`),
  'Flex gets no setting that it refuses': (snapshot, scenario) =>
    scenario === 'windows' ? [] : Object.keys(settingsOf(snapshot)).filter((name) => forbiddenOnFlex.includes(name)),
  'secrets are written only when given': (snapshot) =>
    ofType(snapshot, 'Microsoft.KeyVault/vaults/secrets')
      .filter(({ condition }) => condition === undefined)
      .map(({ name }) => `${name} is written by every deployment`),
  'no value looks like a secret': (snapshot) =>
    secretsIn(snapshot.predictedResources).concat(secretsIn(snapshot.outputs)),
  'Front Door is the only origin and the source of addresses, together': frontDoor,
  'locks hold what cannot be restored': (snapshot, scenario) => differences(locksOf(snapshot), expectedLocks(scenario)),
  'private data cannot be reached from the internet': privacy,
  'keys and usage are kept in three zones': (snapshot, scenario) =>
    faults(accounts(snapshot, 'stdata'), { 'sku.name': scenario === 'throwaway' ? 'Standard_LRS' : 'Standard_ZRS' }),
} as const satisfies Readonly<Record<string, Rule>>

export const snapshotRules: ReadonlyMap<string, Rule> = new Map(Object.entries(rules))

function isRead(name: string): boolean {
  return settingNames.includes(name) || hostSettings.some((pattern) => pattern.test(name))
}

function accounts(snapshot: Snapshot, prefix: string): readonly Resource[] {
  return ofType(snapshot, 'Microsoft.Storage/storageAccounts').filter(({ name }) => name.startsWith(prefix))
}

function faults(resources: readonly Resource[], expected: Readonly<Record<string, Value>>): string[] {
  return resources.flatMap((resource) =>
    Object.entries(expected)
      .filter(([path, value]) => JSON.stringify(at(resource, path)) !== JSON.stringify(value))
      .map(([path, value]) => `${resource.name}: ${path} must be ${JSON.stringify(value)}`),
  )
}

function publishingByPassword(snapshot: Snapshot): readonly string[] {
  const off = ofType(snapshot, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies')
    .filter((policy) => at(policy, 'properties.allow') === false)
    .map(({ name }) => name)
  return ofType(snapshot, 'Microsoft.Web/sites')
    .flatMap(({ name }) => [`${name}/ftp`, `${name}/scm`])
    .filter((name) => !off.includes(name))
    .map((name) => `${name} is open to passwords`)
}

function rolesOf(snapshot: Snapshot): readonly string[] {
  const azure = ofType(snapshot, 'Microsoft.Authorization/roleAssignments').map((one) => ({
    one,
    scope: /providers\/[\w.]+\/\w+\/([\w-]+?)-?\w{13}(?:\/|')/.exec(one.id)?.[1] ?? one.id,
  }))
  const cosmos = ofType(snapshot, 'Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments').map((one) => ({
    one,
    scope: 'cosmos',
  }))
  return [...azure, ...cosmos].map(({ one, scope }) => {
    const role = String(at(one, 'properties.roleDefinitionId')).split('/').at(-1)
    const who = String(at(one, 'properties.principalId')).includes('deployer()') ? 'deployer' : 'app'
    return `${who}: ${role} on ${scope}`
  })
}

function locksOf(snapshot: Snapshot): readonly string[] {
  return ofType(snapshot, 'Microsoft.Authorization/locks').map(
    ({ id }) => /providers\/[\w.]+\/\w+\/(\w+?)-?\w{13}\//.exec(id)?.[1] ?? id,
  )
}

function expectedLocks(scenario: Scenario): readonly string[] {
  if (scenario === 'throwaway') return []
  return scenario === 'private' ? ['stdata', 'kv', 'cosmos'] : ['stdata', 'kv']
}

function differences(found: readonly string[], expected: readonly string[]): readonly string[] {
  return [
    ...found.filter((one) => !expected.includes(one)).map((one) => `not expected: ${one}`),
    ...expected.filter((one) => !found.includes(one)).map((one) => `missing: ${one}`),
  ]
}

/** Keys, tokens and base64 of 32 bytes or more. Expressions, references to the vault and ids are none. */
function secretsIn(value: unknown): string[] {
  const looks =
    /AccountKey=[^;{]{20,}|(?<![\w/+])[A-Za-z0-9+/]{43,}={1,2}|eyJ[\w-]{20,}\.|sig=[\w%]{20,}|p1:[A-Za-z0-9+/]{40,}/
  return [...JSON.stringify(value).matchAll(new RegExp(looks, 'g'))].map(
    ([text]) => `looks secret: ${text.slice(0, 8)}…`,
  )
}

function frontDoor(snapshot: Snapshot): readonly string[] {
  const source = settingsOf(snapshot).CLIENT_IP_SOURCE ?? ''
  const [, id] = /^frontdoor:(.*)$/.exec(source) ?? []
  return faults(ofType(snapshot, 'Microsoft.Web/sites'), {
    'properties.siteConfig.ipSecurityRestrictionsDefaultAction': id === undefined ? 'Allow' : 'Deny',
    ...(id === undefined
      ? { 'properties.siteConfig.ipSecurityRestrictions': [] }
      : {
          'properties.siteConfig.ipSecurityRestrictions.0.ipAddress': 'AzureFrontDoor.Backend',
          'properties.siteConfig.ipSecurityRestrictions.0.headers': { 'x-azure-fdid': [id] },
        }),
  })
}

function privacy(snapshot: Snapshot, scenario: Scenario): readonly string[] {
  const isPrivate = scenario === 'private'
  const holders = [
    ...ofType(snapshot, 'Microsoft.Storage/storageAccounts'),
    ...ofType(snapshot, 'Microsoft.KeyVault/vaults'),
    ...ofType(snapshot, 'Microsoft.DocumentDB/databaseAccounts'),
  ]
  const endpoints = ofType(snapshot, 'Microsoft.Network/privateEndpoints').map(({ name }) =>
    name.split('-').slice(1, -1).join('-'),
  )
  return [
    ...faults(holders, { 'properties.publicNetworkAccess': isPrivate ? 'Disabled' : 'Enabled' }),
    ...differences(endpoints, isPrivate ? ['host-blob', 'data-queue', 'data-table', 'vault', 'cosmos'] : []),
  ]
}
