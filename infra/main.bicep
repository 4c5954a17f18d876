targetScope = 'subscription'

@description('The azd name of the environment. Part of the name of the resource group and of every generated name.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region of every regional resource.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('The name of the resource group. Empty: rg-<environmentName>.')
param resourceGroupName string = ''

@description('What runs the app. kubernetes deploys everything but the app, for k8s/.')
@allowed(['flex', 'windowsConsumption', 'kubernetes'])
param hosting string = 'flex'

@description('The major version of Node.js.')
@allowed(['22', '24'])
param nodeVersion string = '24'

@description('Flex only: MB of memory of an instance. 512 comes with a quarter of a core, 2048 with one, 4096 with two.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 512

@description('Flex only: the most instances of each scale group.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Flex only: HTTP instances that always run. 0 scales to zero; use 2 in production.')
@minValue(0)
@maxValue(100)
param alwaysReadyInstances int = 0

@description('Flex only: counting instances that always run. With 0, counting may begin two minutes late after a quiet time.')
@minValue(0)
@maxValue(10)
param alwaysReadyCounting int = 0

@description('Flex only: concurrent requests of one instance before another is added. 0: 32 at 512 MB, else 100.')
@minValue(0)
@maxValue(1000)
param httpConcurrency int = 0

@description('Spreads the plan and Cosmos DB over three zones. Not on Windows Consumption, and only where the region has zones.')
param zoneRedundant bool = false

@description('Flex only: closes storage, vault and Cosmos DB to the internet. The app reaches them by private endpoints.')
param privateNetwork bool = false

@description('Puts the tables into Cosmos DB for Table instead of Table Storage.')
param cosmosDb bool = false

@description('Locks the data and keeps a deleted vault from being purged. Use false for throw-away environments only.')
param protectData bool = true

@description('The redundancy of the storage account with keys and usage.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param dataRedundancy string = 'Standard_ZRS'

@description('USAGE_DURABILITY. An instance takes its disk with it: with local or relaxed, uses can be lost. See docs/configuration.md.')
@allowed(['queue', 'strict', 'local', 'relaxed'])
param usageDurability string = 'queue'

@description('The id (GUID) of the Front Door profile before the app: only its requests get through. Empty: no Front Door.')
param frontDoorId string = ''

@description('ENTRA_TENANT_ID: the tenants whose access tokens are accepted, comma-separated. Empty: none.')
param entraTenantIds string = ''

@description('ENTRA_AUDIENCE: the audience of those tokens.')
param entraAudience string = ''

@description('ENTRA_ALLOWED_APPS: the client ids whose tokens are accepted, comma-separated. Empty: any.')
param entraAllowedApps string = ''

@description('CORS_ORIGINS: the origins whose web pages may call the service, comma-separated. Empty: none.')
param corsOrigins string = ''

@description('The address that receives alarms. Empty: alarms show in the portal only.')
param alertEmail string = ''

@description('Telemetry items per second and instance above which items are sampled.')
@minValue(1)
param telemetryItemsPerSecond int = 5

@description('GB of logs per day after which ingestion stops until the next day. 0: no cap.')
@minValue(0)
param logDailyCapGb int = 2

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Requests /health/ready every five minutes from three continents. It costs money and keeps an instance busy.')
param availabilityTest bool = false

@description('The first ADMIN_KEY, where the deployment hook cannot reach the vault. Never overwrites a secret.')
@secure()
param firstAdminKey string = ''

@description('The first KEY_PEPPERS, as p1:<base64 of 32 bytes or more>. Never overwrites a secret.')
@secure()
param firstKeyPeppers string = ''

@description('Lets the deploying account read and write the secrets of the vault, which the deployment hook needs.')
param deployerMayWriteSecrets bool = true

@description('Kubernetes only: the OIDC issuer of the cluster.')
param kubernetesOidcIssuer string = ''

@description('Kubernetes only: <namespace>:<name> of the service account, as in k8s/.')
param kubernetesServiceAccount string = 'auth-api:auth-api'

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
// Names are known before anything is deployed, so that what-if and the snapshots show every value.
var identityName = 'id-auth-api-${suffix}'
var appName = 'func-auth-api-${suffix}'
var hostStorageName = 'sthost${suffix}'
var dataStorageName = 'stdata${suffix}'
var vaultName = 'kv-${suffix}'
var cosmosName = 'cosmos-${suffix}'
var tags = { 'azd-env-name': environmentName }
var isFlex = hosting == 'flex'
var onFunctions = hosting != 'kubernetes'
var isPrivate = privateNetwork && (isFlex
  ? true
  : fail('privateNetwork needs hosting = flex: the other plans cannot join a virtual network.'))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: identityName
    kubernetesOidcIssuer: onFunctions ? '' : kubernetesOidcIssuer
    kubernetesServiceAccount: kubernetesServiceAccount
  }
}

module monitoring 'modules/monitoring.bicep' = if (onFunctions) {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    identityName: identityName
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: hostStorageName
    identityName: identityName
    principalId: identity.outputs.principalId
    sharedKey: hosting == 'windowsConsumption'
    private: isPrivate
  }
}

module dataStorage 'modules/data-storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: dataStorageName
    sku: dataRedundancy
    identityName: identityName
    principalId: identity.outputs.principalId
    tables: !cosmosDb
    private: isPrivate
    protect: protectData
  }
}

module cosmos 'modules/cosmos.bicep' = if (cosmosDb) {
  scope: group
  params: {
    location: location
    tags: tags
    name: cosmosName
    identityName: identityName
    principalId: identity.outputs.principalId
    private: isPrivate
    protect: protectData
    zoneRedundant: zoneRedundant
  }
}

module vault 'modules/vault.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: vaultName
    identityName: identityName
    principalId: identity.outputs.principalId
    deployerMayWrite: deployerMayWriteSecrets
    private: isPrivate
    protect: protectData
    firstAdminKey: firstAdminKey
    firstKeyPeppers: firstKeyPeppers
  }
}

module network 'modules/network.bicep' = if (isPrivate) {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    hostStorageName: hostStorageName
    dataStorageName: dataStorageName
    vaultName: vaultName
    cosmosName: cosmosDb ? cosmosName : ''
  }
  dependsOn: [hostStorage, dataStorage, vault, cosmos]
}

var settings = union(
  {
    AZURE_STORAGE_ACCOUNT: dataStorageName
    AZURE_STORAGE_CONNECTION_STRING__queueServiceUri: 'https://${dataStorageName}.queue.${environment().suffixes.storage}'
    AZURE_STORAGE_CONNECTION_STRING__credential: 'managedidentity'
    ADMIN_KEY: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=admin-key)'
    KEY_PEPPERS: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=key-peppers)'
    USAGE_DURABILITY: usageDurability
    CLIENT_IP_SOURCE: empty(frontDoorId) ? 'direct' : 'frontdoor:${frontDoorId}'
    APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.?outputs.connectionString ?? ''
    AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__maxTelemetryItemsPerSecond: string(telemetryItemsPerSecond)
    AzureFunctionsJobHost__logging__applicationInsights__samplingSettings__excludedTypes: 'Exception'
  },
  cosmosDb ? { AZURE_COSMOS_TABLE_ENDPOINT: 'https://${cosmosName}.table.cosmos.azure.com:443/' } : {},
  empty(entraTenantIds) ? {} : { ENTRA_TENANT_ID: entraTenantIds, ENTRA_AUDIENCE: entraAudience },
  empty(entraAllowedApps) ? {} : { ENTRA_ALLOWED_APPS: entraAllowedApps },
  empty(corsOrigins) ? {} : { CORS_ORIGINS: corsOrigins }
)

module flex 'modules/app-flex.bicep' = if (isFlex) {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    name: appName
    identityName: identityName
    hostBlobEndpoint: 'https://${hostStorageName}.blob.${environment().suffixes.storage}/'
    settings: settings
    nodeVersion: nodeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: [
      { name: 'http', instanceCount: alwaysReadyInstances }
      { name: 'function:usage-aggregate', instanceCount: alwaysReadyCounting }
    ]
    httpConcurrency: httpConcurrency > 0 ? httpConcurrency : (instanceMemoryMB == 512 ? 32 : 100)
    zoneRedundant: zoneRedundant
    subnetId: network.?outputs.appSubnetId ?? ''
    frontDoorId: frontDoorId
  }
  // Roles first: an app that starts before its roles exist fails to read its secrets and its package.
  // The linter sees these dependencies behind network, which is absent without privateNetwork.
  #disable-next-line no-unnecessary-dependson
  dependsOn: [hostStorage, dataStorage, vault, cosmos]
}

module windows 'modules/app-windows.bicep' = if (hosting == 'windowsConsumption') {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    name: appName
    identityName: identityName
    hostStorageName: hostStorageName
    settings: settings
    nodeVersion: nodeVersion
    frontDoorId: frontDoorId
  }
  dependsOn: [hostStorage, dataStorage, vault, cosmos]
}

module registry 'modules/registry.bicep' = if (!onFunctions) {
  scope: group
  params: { location: location, tags: tags, name: 'cr${suffix}' }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.?outputs.workspaceId ?? ''
    applicationInsightsId: monitoring.?outputs.applicationInsightsId ?? ''
    dataStorageId: dataStorage.outputs.id
    email: alertEmail
    logAlerts: onFunctions
    availabilityTest: availabilityTest && onFunctions
    host: flex.?outputs.hostName ?? windows.?outputs.hostName ?? ''
  }
}

module workbook 'modules/workbook.bicep' = if (onFunctions) {
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.?outputs.workspaceId ?? '' }
}

output AUTH_API_URL string = onFunctions ? 'https://${flex.?outputs.hostName ?? windows.?outputs.hostName ?? ''}' : ''
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = onFunctions ? appName : ''
output AZURE_FUNCTION_ID string = onFunctions
  ? resourceId(subscription().subscriptionId, group.name, 'Microsoft.Web/sites', appName)
  : ''
output AZURE_KEY_VAULT_NAME string = vaultName
output AZURE_KEY_VAULT_ENDPOINT string = vault.outputs.uri
output AZURE_STORAGE_ACCOUNT string = dataStorageName
output AZURE_HOST_STORAGE_ACCOUNT string = hostStorageName
output AZURE_CLIENT_ID string = identity.outputs.clientId
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.?outputs.loginServer ?? ''
