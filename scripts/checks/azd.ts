import * as z from 'zod'
import { accessToken, azureCall, resourceManager } from '../azure-calls.ts'
import { type Check, fail, ok, type Surroundings, skip } from './check.ts'

const OLDEST_AZD = [1, 23] as const

const DeletedVaults = z.object({
  value: z.array(
    z.object({
      name: z.string(),
      properties: z.object({ location: z.string(), tags: z.record(z.string(), z.string()).default({}) }),
    }),
  ),
})

const Permissions = z.object({
  value: z.array(z.object({ actions: z.array(z.string()), notActions: z.array(z.string()).default([]) })),
})

const azdVersion: Check = {
  name: 'azd',
  async look({ run }) {
    const { code, stdout } = await run('azd', ['version'])
    const [, text = '', major = '', minor = ''] = /azd version ((\d+)\.(\d+)\.\d+)/.exec(stdout) ?? []
    if (code === 127) return fail('azd is not installed', 'https://aka.ms/azd-install')
    if (text === '') return fail('azd does not tell its version', 'https://aka.ms/azd-install')
    const isOld = Number(major) < OLDEST_AZD[0] || (Number(major) === OLDEST_AZD[0] && Number(minor) < OLDEST_AZD[1])
    return isOld
      ? fail(`azd ${text} is older than ${OLDEST_AZD.join('.')}`, 'https://aka.ms/azd-install')
      : ok(`azd ${text}`)
  },
}

/** azd ends with code 0 here in any case; only its text says whether it is signed in. */
const signedIn: Check = {
  name: 'signed in',
  async look({ run }) {
    const { stdout } = await run('azd', ['auth', 'login', '--check-status', '--output', 'json'])
    return stdout.includes('"success"') ? ok('azd has a token') : fail('azd is not signed in', 'azd auth login')
  },
}

const environment: Check = {
  name: 'environment',
  look: async ({ env }) =>
    env.AZURE_ENV_NAME
      ? ok(env.AZURE_ENV_NAME)
      : fail('AZURE_ENV_NAME is not set', 'azd env new <name>; outside azd: azd env exec -- npm run check:deployment'),
}

const region: Check = {
  name: 'region',
  look: async ({ env }) =>
    env.AZURE_LOCATION
      ? ok(env.AZURE_LOCATION)
      : fail('AZURE_LOCATION is not set', 'azd env set AZURE_LOCATION westeurope'),
}

const roles: Check = {
  name: 'roles',
  look: (here) =>
    ask(here, 'Microsoft.Authorization/permissions?api-version=2022-04-01', (body) => {
      const { value } = Permissions.parse(body)
      const may = value.some(({ actions, notActions }) => actions.some(grantsRoles) && !notActions.some(grantsRoles))
      if (may) return ok('this account may assign roles')
      return fail(
        'this account may not assign roles',
        'have Owner or Role Based Access Control Administrator assigned to it',
      )
    }),
}

const vaultName: Check = {
  name: 'vault name',
  look: (here) =>
    ask(here, 'Microsoft.KeyVault/deletedVaults?api-version=2022-07-01', (body) => {
      const { AZURE_ENV_NAME: name, AZURE_LOCATION: location } = here.env
      const deleted = DeletedVaults.parse(body).value.find(
        ({ properties }) => properties.tags['azd-env-name'] === name && properties.location === location,
      )
      if (deleted === undefined) return ok('no deleted vault of this environment')
      return fail(
        `${deleted.name} was deleted and keeps its name`,
        `az keyvault recover --name ${deleted.name}; it has the peppers of all keys of this environment`,
      )
    }),
}

export const azdChecks: readonly Check[] = [azdVersion, signedIn, environment, region, roles, vaultName]

/** Reads something of the subscription. Without a subscription or a token the check is skipped: others say why. */
async function ask({ env }: Surroundings, path: string, judge: (body: unknown) => ReturnType<typeof ok>) {
  if (!env.AZURE_SUBSCRIPTION_ID) return skip('no subscription is chosen yet')
  const arm = resourceManager(env)
  const token = await accessToken(`${arm}/.default`, env).catch(() => undefined)
  if (token === undefined) return skip('azd has no token')
  const url = `${arm}/subscriptions/${env.AZURE_SUBSCRIPTION_ID}/providers/${path}`
  const { status, body } = await azureCall('GET', url, token)
  return status === 200
    ? judge(body)
    : fail(`Azure answered ${status}`, 'azd auth login, or choose another subscription')
}

/** Whether a pattern of actions covers the writing of role assignments. */
function grantsRoles(pattern: string): boolean {
  const source = pattern.replace(/[.+^$()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${source}$`, 'i').test('Microsoft.Authorization/roleAssignments/write')
}
