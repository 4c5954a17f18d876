// The tables in Cosmos DB for Table, instead of Table Storage.
param location string
param tags object
param name string
@description('Part of the names of the role assignments, which cannot depend on principalId.')
param identityName string
param principalId string
param private bool
param protect bool
param zoneRedundant bool

// Cosmos DB Built-in Data Contributor. Cosmos DB has roles of its own, beside those of Azure.
var dataContributor = '00000000-0000-0000-0000-000000000002'

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [{ name: 'EnableTable' }, { name: 'EnableServerless' }]
    // Counters, limits and every conditional write rely on reads that see the last write.
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }

  resource role 'tableRoleAssignments' = {
    name: guid(account.id, identityName, dataContributor)
    properties: {
      roleDefinitionId: '${account.id}/tableRoleDefinitions/${dataContributor}'
      principalId: principalId
      scope: account.id
    }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  name: 'keep'
  scope: account
  properties: { level: 'CanNotDelete', notes: 'Holds all keys and all usage.' }
}
