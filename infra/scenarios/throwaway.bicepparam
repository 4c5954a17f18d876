using '../main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param protectData = false
param dataRedundancy = 'Standard_LRS'
param entraTenantIds = '11111111-2222-4333-8444-555555555555'
param entraAudience = 'api://auth-api'
