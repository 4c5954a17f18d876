import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../shared/runtime/config.ts'
import { type FakeAzure, type FakeReply, fakeAzure, forbidden } from '../support/infra/fake-azure.ts'
import { fakeClis } from '../support/infra/fake-clis.ts'
import { runScript } from '../support/infra/run-script.ts'

const token = JSON.stringify({ token: 'the-token-of-azd' })
const refresh = 'POST /sites/app/config/configreferences/appsettings/refresh?api-version=2022-03-01'

describe('the hook that makes the secrets', () => {
  test('makes both where the vault is empty, fit for the app, and tells the app', async () => {
    const azure = await fakeAzure()
    const { code, stdout } = await deploySecrets(azure)
    expect(code).toBe(0)
    const [ADMIN_KEY, KEY_PEPPERS] = ['admin-key', 'key-peppers'].map((name) => azure.secrets.get(name))
    expect(() => parseConfig({ AZURE_STORAGE_ACCOUNT: 'stdata', ADMIN_KEY, KEY_PEPPERS })).not.toThrow()
    expect(stdout).toContain('admin-key: made.')
    expect(azure.requests.map(({ method, path }) => `${method} ${path}`)).toContain(refresh)
  })

  test('prints no value', async () => {
    const azure = await fakeAzure()
    const { stdout, stderr } = await deploySecrets(azure)
    for (const value of azure.secrets.values()) expect(stdout + stderr).not.toContain(value)
    expect(stdout + stderr).not.toContain('the-token-of-azd')
  })

  test('keeps what exists: it writes nothing and tells the app nothing', async () => {
    const azure = await fakeAzure()
    azure.secrets.set('admin-key', 'old').set('key-peppers', 'old')
    const { code, stdout } = await deploySecrets(azure)
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'admin-key: exists and is kept\nkey-peppers: exists and is kept\n',
    })
    expect(azure.requests.filter(({ method }) => method !== 'GET')).toEqual([])
  })

  test('makes only the one that is missing', async () => {
    const azure = await fakeAzure()
    azure.secrets.set('key-peppers', 'old')
    await deploySecrets(azure)
    expect(azure.secrets.get('key-peppers')).toBe('old')
    expect(azure.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1)
  })

  test('replaces no deleted secret: it says how to recover it', async () => {
    const azure = await fakeAzure((method) => (method === 'PUT' ? { status: 409 } : undefined))
    const { code, stderr } = await deploySecrets(azure)
    expect(code).toBe(1)
    expect(stderr).toContain(`az keyvault secret recover --id ${azure.url}/deletedsecrets/admin-key`)
  })

  test('waits while a new role is not known everywhere', async () => {
    const azure = await fakeAzure((_, path, count) =>
      path.startsWith('/secrets') && count <= 3 ? forbidden('ForbiddenByRbac') : undefined,
    )
    expect((await deploySecrets(azure)).code).toBe(0)
    expect(azure.secrets.size).toBe(2)
  })

  test('names the role when the vault still refuses after its patience', async () => {
    const azure = await fakeAzure(() => forbidden('ForbiddenByRbac'))
    const { code, stderr } = await deploySecrets(azure, { DEPLOY_SECRETS_PATIENCE_MS: '20' })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('Key Vault Secrets Officer') })
  })

  test.each(['ForbiddenByFirewall', 'ForbiddenByConnection'])('does not wait for a closed vault: %s', async (inner) => {
    const azure = await fakeAzure(() => forbidden(inner))
    const { code, stderr } = await deploySecrets(azure, { DEPLOY_SECRETS_PATIENCE_MS: '600000' })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('AUTH_API_FIRST_KEY_PEPPERS') })
    expect(azure.requests).toHaveLength(1)
  })

  test('takes a token of az where azd has none, and says so where neither has one', async () => {
    const azure = await fakeAzure()
    const az = { 'account get-access-token': JSON.stringify({ accessToken: 'the-token-of-az' }) }
    const withAz = fakeClis({ azd: {}, az }, environment(azure))
    expect((await runScript('deploy-secrets.ts', [], withAz.env)).code).toBe(0)
    const without = fakeClis({ azd: {} }, environment(azure))
    expect((await runScript('deploy-secrets.ts', [], without.env)).stderr).toContain('azd auth login')
  })

  test('tells who runs it by hand what is missing', async () => {
    const { code, stderr } = await runScript('deploy-secrets.ts', [], fakeClis({}).env)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('AZURE_KEY_VAULT_ENDPOINT is not set'),
    })
  })
})

describe('the hook that verifies a deployment', () => {
  const ready: FakeReply = { status: 200, body: { status: 'ready', version: '0.3.0', wrong: [] } }
  const wrong: FakeReply = {
    status: 503,
    body: { status: 'misconfigured', wrong: ['settings'], settings: ['KEY_PEPPERS is missing'] },
  }

  test('waits until the app is ready, and says what is wrong meanwhile', async () => {
    const app = await fakeAzure((_, __, count) => (count < 3 ? wrong : ready))
    const { code, stdout } = await verify(app)
    expect(code).toBe(0)
    expect(stdout).toContain('not ready yet: settings; KEY_PEPPERS is missing')
    expect(stdout).toContain('is ready (version 0.3.0)')
  })

  test('fails after its patience, with what is wrong', async () => {
    const app = await fakeAzure(() => wrong)
    const { code, stderr } = await verify(app, '20')
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('KEY_PEPPERS is missing') })
  })

  test('takes no page of the platform for an answer of the app', async () => {
    const app = await fakeAzure(() => ({ status: 200, body: 'Your Functions 4.0 app is up and running' }))
    expect((await verify(app, '20')).stderr).toContain("200 without the app's answer")
  })

  test('says when nothing answers, and when it does not know where', async () => {
    const gone = { AUTH_API_URL: 'http://127.0.0.1:9', DEPLOY_VERIFY_PATIENCE_MS: '20' }
    expect((await runScript('deploy-verify.ts', [], gone)).stderr).toContain('is not ready')
    expect((await runScript('deploy-verify.ts', [], {})).stderr).toContain('AUTH_API_URL is not set')
  })

  const verify = ({ url }: FakeAzure, patience = '2000') =>
    runScript('deploy-verify.ts', [], { AUTH_API_URL: url, DEPLOY_VERIFY_PATIENCE_MS: patience })
})

function environment({ url }: FakeAzure): NodeJS.ProcessEnv {
  return { AZURE_KEY_VAULT_ENDPOINT: `${url}/`, AZURE_FUNCTION_ID: '/sites/app', AZURE_RESOURCE_MANAGER: url }
}

async function deploySecrets(azure: FakeAzure, more: NodeJS.ProcessEnv = {}) {
  const patience = { DEPLOY_SECRETS_PATIENCE_MS: '2000' }
  const { env } = fakeClis({ azd: { 'auth token': token } }, { ...environment(azure), ...patience, ...more })
  return runScript('deploy-secrets.ts', [], env)
}
