// The identity of the app: every role of this deployment but one is granted to it.
param location string
param tags object
param name string

@description('Empty: no cluster may act as this identity.')
param kubernetesOidcIssuer string

@description('<namespace>:<name>')
param kubernetesServiceAccount string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

resource federated 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = if (!empty(kubernetesOidcIssuer)) {
  parent: identity
  name: 'kubernetes'
  properties: {
    issuer: kubernetesOidcIssuer
    subject: 'system:serviceaccount:${kubernetesServiceAccount}'
    audiences: ['api://AzureADTokenExchange']
  }
}

output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
