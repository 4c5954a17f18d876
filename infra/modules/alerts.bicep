param location string
param tags object
param workspaceId string
param applicationInsightsId string
param dataStorageId string

@description('Empty: no mail.')
param email string

@description('false where Application Insights gets no telemetry: these alarms would be blind or fire for ever.')
param logAlerts bool
param availabilityTest bool
param host string

type alert = {
  name: string
  title: string
  @minValue(0)
  @maxValue(4)
  severity: int
  everyMinutes: int
  windowMinutes: int
  query: string
  runbook: string
}

var alerts alert[] = loadJsonContent('../alerts.json')
var runbook = 'docs/operations.md'

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-auth-api'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'auth-api'
    enabled: true
    emailReceivers: [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var actionGroups = empty(email) ? [] : [group.id]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in logAlerts ? alerts : []: {
    name: 'auth-api-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Auth API: ${alert.title}'
      description: '${runbook}#${alert.runbook}'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT${alert.everyMinutes}M'
      windowSize: 'PT${alert.windowMinutes}M'
      // The tables appear with the first telemetry, so the query cannot be validated earlier.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: actionGroups }
    }
  }
]

resource storageAvailability 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'auth-api-storage-availability'
  location: 'global'
  tags: tags
  properties: {
    description: '${runbook}#store-down'
    severity: 1
    enabled: true
    scopes: [dataStorageId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'availability'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          metricName: 'Availability'
          operator: 'LessThan'
          threshold: 99
          timeAggregation: 'Average'
        }
      ]
    }
    actions: [for id in actionGroups: { actionGroupId: id }]
  }
}

resource availability 'Microsoft.Insights/webtests@2022-06-15' = if (availabilityTest) {
  name: 'auth-api-ready'
  location: location
  tags: union(tags, { 'hidden-link:${applicationInsightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    Name: 'auth-api-ready'
    SyntheticMonitorId: 'auth-api-ready'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [{ Id: 'emea-nl-ams-azr' }, { Id: 'us-va-ash-azr' }, { Id: 'apac-sg-sin-azr' }]
    Request: {
      RequestUrl: 'https://${host}/health/ready'
      HttpVerb: 'GET'
      ParseDependentRequests: false
      FollowRedirects: false
    }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 14 }
  }
}

resource notReady 'Microsoft.Insights/metricAlerts@2018-03-01' = if (availabilityTest) {
  name: 'auth-api-not-ready'
  location: 'global'
  tags: tags
  properties: {
    description: '${runbook}#readiness'
    severity: 1
    enabled: true
    scopes: [availability.id, applicationInsightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: availability.id
      componentId: applicationInsightsId
      failedLocationCount: 2
    }
    actions: [for id in actionGroups: { actionGroupId: id }]
  }
}
