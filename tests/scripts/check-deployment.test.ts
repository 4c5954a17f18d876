import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { azdChecks } from '../../scripts/checks/azd.ts'
import { type Checked, runChecks, type Surroundings, surroundings, toTable } from '../../scripts/checks/check.ts'
import { commonChecks, packagedFiles } from '../../scripts/checks/common.ts'
import { kubernetesChecks } from '../../scripts/checks/kubernetes.ts'
import { fakeAzure } from '../support/infra/fake-azure.ts'
import { fakeClis, type Replies } from '../support/infra/fake-clis.ts'
import { runScript } from '../support/infra/run-script.ts'
import { makeTemporaryFolderNow } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const named = (checks: typeof azdChecks, name: string) => checks.filter((check) => check.name === name)
const states = (checked: readonly Checked[]) =>
  Object.fromEntries(checked.map(({ name, finding }) => [name, finding.state]))

type Edit = Partial<Surroundings>

describe('what every way to deploy needs', () => {
  let checkout = ''
  beforeAll(() => {
    expect(commonChecks.map(({ name }) => name)).toEqual(['node', 'clean tree', 'files', 'bundle', 'package', 'infra'])
  })

  const clean = () => {
    checkout = makeTemporaryFolderNow()
    for (const file of ['.funcignore', 'azure.yaml', 'host.json', 'package.json', 'infra', 'dist']) {
      cpSync(join(root, file), join(checkout, file), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'), 'junction')
    return checkout
  }

  const look = async (name: string, git: Replies, edit: Edit = {}, folder = clean()) => {
    const { env } = fakeClis({ git }, { BICEP: '/nowhere/bicep' })
    const [checked] = await runChecks(named(commonChecks, name), { ...surroundings(folder, env), ...edit })
    return checked?.finding
  }

  test('a Node that runs the scripts', async () => {
    expect(await look('node', {}, { nodeVersion: '24.1.0' })).toEqual({ state: 'ok', finding: 'Node 24.1.0' })
    expect(await look('node', {}, { nodeVersion: '20.11.0' })).toMatchObject({
      state: 'FAIL',
      cure: expect.stringContaining('npm ci'),
    })
  })

  test('a clean tree', async () => {
    expect(await look('clean tree', { status: '' })).toEqual({ state: 'ok', finding: 'nothing is changed' })
    expect(await look('clean tree', { status: ' M host.json\n' })).toMatchObject({
      state: 'FAIL',
      finding: '1 changed files, first host.json',
    })
    expect(await look('clean tree', { status: { code: 128 } })).toMatchObject({ state: 'FAIL' })
  })

  test('its files', async () => {
    expect(await look('files', {})).toMatchObject({ state: 'ok' })
    expect(await look('files', {}, {}, makeTemporaryFolderNow())).toMatchObject({
      state: 'FAIL',
      finding: expect.stringContaining('azure.yaml'),
    })
  })

  test('a bundle of these sources', async () => {
    const old = clean()
    writeFileSync(join(old, 'dist/main.cjs'), 'an older build')
    expect(await look('bundle', {}, {}, old)).toMatchObject({ state: 'FAIL', cure: 'npm run build' })
    expect(await look('bundle', {}, {}, makeTemporaryFolderNow())).toMatchObject({ state: 'FAIL' })
  })

  test('a package of exactly the app', async () => {
    expect(await look('package', {})).toEqual({ state: 'ok', finding: `${packagedFiles.length} files` })
    const more = clean()
    mkdirSync(join(more, 'exports'))
    writeFileSync(join(more, 'exports/keys.csv'), '')
    expect(await look('package', {}, {}, more)).toMatchObject({
      state: 'FAIL',
      finding: 'exports/keys.csv would be shipped',
    })
  })

  test('Bicep that compiles, where there is Bicep', async () => {
    expect(await look('infra', {})).toMatchObject({ state: 'skip', finding: expect.stringContaining('/nowhere/bicep') })
  })
})

describe('what azd needs', () => {
  const good: Replies = {
    version: 'azd version 1.23.2 (commit abc)',
    'auth login --check-status': '{"status":"success"}',
    'auth token': '{"token":"t"}',
  }
  const environment = { AZURE_ENV_NAME: 'prod', AZURE_LOCATION: 'westeurope', AZURE_SUBSCRIPTION_ID: 's' }
  const owner = { value: [{ actions: ['*'], notActions: [] }] }
  const deleted = (env: string) => ({
    value: [{ name: 'kv-abc', properties: { location: 'westeurope', tags: { 'azd-env-name': env } } }],
  })

  const check = async (
    azd: Replies = {},
    env: NodeJS.ProcessEnv = {},
    permissions: object = owner,
    vaults: object = { value: [] },
  ) => {
    const { url } = await fakeAzure((_, path) => ({
      status: 200,
      body: path.includes('permissions') ? permissions : vaults,
    }))
    const fakes = fakeClis({ azd: { ...good, ...azd } }, { ...environment, AZURE_RESOURCE_MANAGER: url, ...env })
    return states(await runChecks(azdChecks, surroundings(root, fakes.env)))
  }
  const allGood = Object.fromEntries(azdChecks.map(({ name }) => [name, 'ok']))

  test('is all there', async () => {
    expect(await check()).toEqual(allGood)
  })

  const contributor = { value: [{ actions: ['*'], notActions: ['Microsoft.Authorization/*/Write'] }] }
  test.each([
    ['azd', { version: 'azd version 1.9.0 (commit abc)' }, {}, owner, { value: [] }],
    ['signed in', { 'auth login --check-status': '{"status":"unauthenticated"}' }, {}, owner, { value: [] }],
    ['environment', {}, { AZURE_ENV_NAME: '' }, owner, { value: [] }],
    ['region', {}, { AZURE_LOCATION: '' }, owner, { value: [] }],
    ['roles', {}, {}, contributor, { value: [] }],
    ['vault name', {}, {}, owner, deleted('prod')],
  ] as const)('fails without: %s', async (name, azd, env, permissions, vaults) => {
    expect(await check(azd, env, permissions, vaults)).toEqual({ ...allGood, [name]: 'FAIL' })
  })

  test('does not mind the deleted vault of another environment', async () => {
    expect(await check({}, {}, owner, deleted('test'))).toEqual(allGood)
  })

  test('skips what it cannot ask before a subscription is chosen', async () => {
    expect(await check({}, { AZURE_SUBSCRIPTION_ID: '' })).toMatchObject({ roles: 'skip', 'vault name': 'skip' })
  })
})

describe('what Kubernetes needs', () => {
  const good = {
    docker: { info: '' },
    az: { 'account show': '', 'acr login --name crabc': 'Login Succeeded' },
    kubectl: { 'config current-context': 'prod\n', get: 'found' },
  }
  const environment = { AZURE_CONTAINER_REGISTRY_ENDPOINT: 'crabc.azurecr.io', KUBE_CONTEXT: 'prod' }
  const allGood = Object.fromEntries(kubernetesChecks.map(({ name }) => [name, 'ok']))

  const check = async (edit: Readonly<Record<string, Replies>>, env: NodeJS.ProcessEnv = {}, value = 'given') => {
    const folder = makeTemporaryFolderNow()
    mkdirSync(join(folder, 'k8s/overlays/aks'), { recursive: true })
    writeFileSync(join(folder, 'k8s/overlays/aks/azure.env'), `AZURE_CLIENT_ID=${value}\n`)
    const fakes = fakeClis({ ...good, ...edit }, { ...environment, ...env })
    return states(await runChecks(kubernetesChecks, surroundings(folder, fakes.env)))
  }
  const without = (what: string): Replies => ({ ...good.kubectl, [`get ${what}`]: { code: 1, stderr: 'not found' } })

  test('is all there, with Docker or with buildah', async () => {
    expect(await check({})).toEqual(allGood)
    expect(await check({ docker: { info: { code: 1 } }, buildah: { info: '' } })).toEqual(allGood)
  })

  test.each([
    ['builder', { docker: { info: { code: 1 } } }, {}, 'given'],
    ['az', { az: { ...good.az, 'account show': { code: 1, stderr: 'Please run az login' } } }, {}, 'given'],
    ['registry', { az: { ...good.az, 'acr login': { code: 1 }, 'acr login --name crabc': { code: 1 } } }, {}, 'given'],
    ['context', {}, { KUBE_CONTEXT: 'test' }, 'given'],
    ['keda', { kubectl: without('crd scaledobjects.keda.sh') }, {}, 'given'],
    ['csi driver', { kubectl: without('crd secretproviderclasses.secrets-store.csi.x-k8s.io') }, {}, 'given'],
    ['identity', { kubectl: without('mutatingwebhookconfiguration') }, {}, 'given'],
    ['azure.env', {}, {}, 'replaced'],
  ] as const)('fails without: %s', async (name, edit, env, value) => {
    expect(await check(edit, env, value)).toEqual({ ...allGood, [name]: 'FAIL' })
  })
})

describe('npm run check:deployment', () => {
  test('says what it wants', async () => {
    const { code, stderr } = await runScript('check-deployment.ts', ['--for', 'heroku'], {})
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'Say which way: --for azd or --for kubernetes.\n' })
  })

  test('prints a line per check and the cure below a failure', async () => {
    const { env } = fakeClis({ git: { status: '' }, azd: {} }, { BICEP: '/nowhere/bicep' })
    const { code, stdout } = await runScript('check-deployment.ts', [], env)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ok {4}node {9}Node 24/m)
    expect(stdout).toMatch(/^FAIL {2}azd .*\n +cure: https:/m)
    expect(stdout).toMatch(/^ok {4}bundle {7}dist\/ is current/m)
  })

  test('takes a check that breaks for a failure', async () => {
    const broken = { name: 'broken', look: () => Promise.reject(new Error('out of order')) }
    expect(toTable(await runChecks([broken], surroundings(root, {})))).toContain(
      'FAIL  broken  the check broke: out of order',
    )
  })
})
