import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { accessToken, azureCall, resourceManager } from './azure-calls.ts'

/**
 * The hook after provisioning: makes ADMIN_KEY and KEY_PEPPERS in the vault where they are missing. It never overwrites
 * a secret and prints no value.
 */
const env = process.env
const secrets = [
  { name: 'admin-key', make: () => randomBytes(32).toString('base64url') },
  { name: 'key-peppers', make: () => `p1:${randomBytes(32).toString('base64')}` },
]

/** Azure spreads a new role within minutes. Until then the vault refuses, and the request is repeated. */
const PATIENCE_MS = Number(env.DEPLOY_SECRETS_PATIENCE_MS ?? 300_000)
const PAUSE_MS = Math.min(10_000, PATIENCE_MS / 10)

const VaultError = z.object({
  error: z.object({ code: z.string(), innererror: z.object({ code: z.string() }).optional() }).optional(),
})

const closed = `The vault is closed to this machine. Give the first values once:
  azd env set AUTH_API_FIRST_ADMIN_KEY "$(node -p "crypto.randomBytes(32).toString('base64url')")"
  azd env set AUTH_API_FIRST_KEY_PEPPERS "p1:$(node -p "crypto.randomBytes(32).toString('base64')")"
  azd provision
and remove both from the environment afterwards: docs/deploy.md, "A closed vault".`

try {
  await deploySecrets()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function deploySecrets(): Promise<void> {
  const vault = (env.AZURE_KEY_VAULT_ENDPOINT ?? '').replace(/\/$/, '')
  if (vault === '') throw new Error('AZURE_KEY_VAULT_ENDPOINT is not set. azd runs this as a hook: azd provision')
  let made = 0
  for (const { name, make } of secrets) made += await makeOnce(`${vault}/secrets/${name}`, name, make)
  if (made > 0 && env.AZURE_FUNCTION_ID) await refreshReferences(env.AZURE_FUNCTION_ID)
}

/** Returns how many secrets it made: 0 or 1. */
async function makeOnce(id: string, name: string, make: () => string): Promise<number> {
  const found = await askVault('GET', id)
  if (found.status === 200) {
    process.stdout.write(`${name}: exists and is kept\n`)
    return 0
  }
  if (found.status !== 404) throw new Error(`${name} cannot be read: ${found.status} ${found.code}`)
  const written = await askVault('PUT', id, { value: make(), contentType: name.toUpperCase().replace('-', '_') })
  if (written.status === 409) {
    const recover = `az keyvault secret recover --id ${id.replace('/secrets/', '/deletedsecrets/')}`
    throw new Error(
      `${name} was deleted and can be restored. Keys need their old pepper, so no new one is made. Run:\n  ${recover}`,
    )
  }
  if (written.status !== 200) throw new Error(`${name} cannot be written: ${written.status} ${written.code}`)
  process.stdout.write(`${name}: made. To read it: az keyvault secret show --id ${id} --query value --output tsv\n`)
  return 1
}

/** Repeats a request while the vault does not know the role yet. Throws at once where the vault is closed. */
async function askVault(method: string, id: string, json?: unknown): Promise<{ status: number; code: string }> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const token = await accessToken('https://vault.azure.net/.default', env)
    const { status, body } = await azureCall(method, `${id}?api-version=7.4`, token, json)
    const { error } = VaultError.catch({}).parse(body)
    const inner = error?.innererror?.code
    if (inner === 'ForbiddenByFirewall' || inner === 'ForbiddenByConnection') throw new Error(closed)
    if (status !== 403) return { status, code: error?.code ?? '' }
    if (Date.now() >= end) {
      throw new Error(
        'The vault refuses this account. Give it the role Key Vault Secrets Officer, and run azd provision.',
      )
    }
    await sleep(PAUSE_MS)
  }
}

/** The app looks at the vault once a day by itself; a new secret should not wait for that. */
async function refreshReferences(site: string): Promise<void> {
  const arm = resourceManager(env)
  const token = await accessToken(`${arm}/.default`, env)
  const url = `${arm}${site}/config/configreferences/appsettings/refresh?api-version=2022-03-01`
  const { status } = await azureCall('POST', url, token)
  if (status >= 300)
    process.stdout.write(`The app was not told of the secrets (${status}): it reads them at its next start.\n`)
}
