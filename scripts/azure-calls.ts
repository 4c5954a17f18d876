import { runCommand } from './commands.ts'

export interface AzureReply {
  readonly status: number
  readonly body: unknown
}

/** The public cloud, or another one by `AZURE_RESOURCE_MANAGER`. */
export function resourceManager(env: NodeJS.ProcessEnv): string {
  return (env.AZURE_RESOURCE_MANAGER ?? 'https://management.azure.com').replace(/\/$/, '')
}

/** Gets a token from azd, or from az where azd is not signed in. Throws with the cure where neither has one. */
export async function accessToken(scope: string, env: NodeJS.ProcessEnv): Promise<string> {
  const azd = await runCommand('azd', ['auth', 'token', '--output', 'json', '--scope', scope], {
    env,
    timeoutMs: 60_000,
  })
  if (azd.code === 0) return (JSON.parse(azd.stdout) as { token: string }).token
  const resource = scope.replace(/\/\.default$/, '')
  const az = await runCommand('az', ['account', 'get-access-token', '--output', 'json', '--resource', resource], {
    ...{ env, timeoutMs: 60_000 },
  })
  if (az.code === 0) return (JSON.parse(az.stdout) as { accessToken: string }).accessToken
  throw new Error('Neither azd nor az has a token. Sign in: azd auth login')
}

/** Sends one request. A reply that is no JSON has an empty body. */
export async function azureCall(method: string, url: string, token: string, json?: unknown): Promise<AzureReply> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(30_000),
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  return { status: response.status, body: await response.json().catch(() => ({})) }
}
