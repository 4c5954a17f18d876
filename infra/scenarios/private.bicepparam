using '../main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param privateNetwork = true
param cosmosDb = true
param zoneRedundant = true
param alwaysReadyInstances = 2
param usageDurability = 'strict'
param instanceMemoryMB = 2048
param alwaysReadyCounting = 1
param frontDoorId = '11111111-2222-4333-8444-555555555555'
param alertEmail = 'ops@example.com'
param availabilityTest = true
