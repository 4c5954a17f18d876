import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../../infra/scenarios')

/** A value of a template: what Bicep could not compute is an expression in brackets. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value }

export interface Resource {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly condition?: Value
  readonly properties?: { readonly [name: string]: Value }
  readonly [name: string]: Value | undefined
}

export interface Snapshot {
  readonly predictedResources: readonly Resource[]
  readonly diagnostics: readonly Value[]
  readonly outputs: { readonly [name: string]: Value }
}

export type Scenario = 'flex' | 'private' | 'windows' | 'kubernetes' | 'throwaway'

/** What a deployment with the scenario's parameters would create, as committed. */
export function readSnapshot(scenario: Scenario): Snapshot {
  return JSON.parse(readFileSync(join(folder, `${scenario}.snapshot.json`), 'utf8')) as Snapshot
}

/** The scenarios that have a snapshot: every parameter file but the one that must fail. */
export const scenarios = readdirSync(folder)
  .filter((file) => file.endsWith('.bicepparam') && file !== 'bad.bicepparam')
  .map((file) => file.replace('.bicepparam', '') as Scenario)

export function ofType(snapshot: Snapshot, type: string): readonly Resource[] {
  return snapshot.predictedResources.filter((resource) => resource.type === type)
}

/** A value at a path of property names; undefined where the path ends early. */
export function at(value: Value | Resource | undefined, path: string): Value | undefined {
  let found = value as Value | undefined
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null) return undefined
    found = (found as { readonly [name: string]: Value })[name]
  }
  return found
}

/** The app settings of the site; empty where the deployment has none. */
export function settingsOf(snapshot: Snapshot): Readonly<Record<string, string>> {
  const listed = ofType(snapshot, 'Microsoft.Web/sites').flatMap(
    (site) => at(site, 'properties.siteConfig.appSettings') as readonly { name: string; value: string }[],
  )
  return Object.fromEntries(listed.map(({ name, value }) => [name, value]))
}

/** A copy with changed resources, to plant a fault. */
export function change(snapshot: Snapshot, type: string, edit: (resource: Resource) => Resource): Snapshot {
  return {
    ...snapshot,
    predictedResources: snapshot.predictedResources.map((one) => (one.type === type ? edit(one) : one)),
  }
}
