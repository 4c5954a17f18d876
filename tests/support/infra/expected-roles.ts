import type { Scenario } from './snapshot.ts'

/** The built-in roles that a deployment grants, by their fixed ids. */
const roles = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b',
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3',
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88',
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6',
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb',
  'Cosmos DB Built-in Data Contributor': '00000000-0000-0000-0000-000000000002',
}

/** Every role that a scenario grants, and on what: as `<who>: <role id> on <prefix of the resource's name>`. */
export function expectedRoles(scenario: Scenario): readonly string[] {
  return [
    `app: ${roles['Storage Blob Data Owner']} on sthost`,
    `app: ${roles['Storage Queue Data Contributor']} on stdata`,
    `app: ${roles['Key Vault Secrets User']} on kv`,
    `deployer: ${roles['Key Vault Secrets Officer']} on kv`,
    scenario === 'private'
      ? `app: ${roles['Cosmos DB Built-in Data Contributor']} on cosmos`
      : `app: ${roles['Storage Table Data Contributor']} on stdata`,
    ...(scenario === 'kubernetes' ? [] : [`app: ${roles['Monitoring Metrics Publisher']} on appi`]),
  ]
}
