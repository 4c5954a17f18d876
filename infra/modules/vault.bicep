// The vault with ADMIN_KEY and KEY_PEPPERS. The app reads them by reference; no setting holds their values.
param location string
param tags object
param name string
@description('Part of the names of the role assignments, which cannot depend on principalId.')
param identityName string
param principalId string
param deployerMayWrite bool
param private bool
param protect bool

@secure()
param firstAdminKey string

@secure()
param firstKeyPeppers string

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var keyVaultSecretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: protect ? true : null
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: private ? 'Deny' : 'Allow', bypass: 'AzureServices' }
  }
}

// No key validates without its pepper. So a deployment creates a secret and never overwrites one.
@onlyIfNotExists()
resource adminKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(firstAdminKey)) {
  parent: vault
  name: 'admin-key'
  properties: { value: firstAdminKey, contentType: 'ADMIN_KEY' }
}

@onlyIfNotExists()
resource keyPeppers 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(firstKeyPeppers)) {
  parent: vault
  name: 'key-peppers'
  properties: { value: firstKeyPeppers, contentType: 'KEY_PEPPERS' }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identityName, keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource writer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (deployerMayWrite) {
  name: guid(vault.id, deployer().objectId, keyVaultSecretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsOfficer)
    principalId: deployer().objectId
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  name: 'keep'
  scope: vault
  properties: { level: 'CanNotDelete', notes: 'Holds the pepper. No key validates without it.' }
}

output uri string = vault.properties.vaultUri
