import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCommand } from '../../scripts/commands.ts'
import { fakeClis, type Replies } from '../support/infra/fake-clis.ts'
import { makeTemporaryFolderNow } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const registry = { AZURE_CONTAINER_REGISTRY_ENDPOINT: 'crabc.azurecr.io', BICEP: '/nowhere/bicep' }
const image = 'crabc.azurecr.io/auth-api:2026.11.25-abc1234'
const git: Replies = { status: '', log: '2026.11.25-abc1234\n' }
const kubectl: Replies = {
  'kustomize k8s/overlays/aks': 'kind: Deployment\nimage: auth-api:dev\n',
  ...{ 'config current-context': 'prod\n', get: 'found', apply: '', '--namespace auth-api rollout status': '' },
}
const docker: Replies = { info: '', build: '', push: '' }
const az: Replies = { '': '' }

describe('npm run image', () => {
  test('builds under the date and the hash of the commit', async () => {
    const { code, stdout, calls } = await build([], { git, docker })
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: 'localhost/auth-api:2026.11.25-abc1234\n' })
    expect(calls).toContain('docker build --tag localhost/auth-api:2026.11.25-abc1234 .')
  })

  test('refuses a tree with changes', async () => {
    const { code, stderr, calls } = await build([], { git: { ...git, status: ' M host.json\n' }, docker })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('M host.json') })
    expect(calls.filter((call) => call.startsWith('docker'))).toEqual([])
  })

  test('uses buildah where Docker does not answer, and says so where neither does', async () => {
    const { calls } = await build([], { git, docker: { info: { code: 1 } }, buildah: { info: '', bud: '' } })
    expect(calls).toContain('buildah bud --tag localhost/auth-api:2026.11.25-abc1234 .')
    expect((await build([], { git })).stderr).toContain('Neither docker nor buildah answers')
  })

  test('prints every step of a rollout and does none of them, with --dry-run', async () => {
    const { stdout, calls } = await build(['--rollout', '--dry-run'], { git, docker, kubectl }, registry)
    expect(stdout.trim().split('\n')).toEqual([
      `docker build --tag ${image} .`,
      `docker push ${image}`,
      'kubectl apply --filename -',
      'kubectl --namespace auth-api rollout status deployment/api --timeout=5m',
      'kubectl --namespace auth-api rollout status deployment/worker --timeout=5m',
      image,
    ])
    expect(calls.filter((call) => /^docker|apply|rollout/.test(call))).toEqual([])
  })

  test('checks, builds, pushes and rolls out, in this order, with the pushed image in the manifests', async () => {
    const { code, calls, inputs } = await build(['--rollout'], { git, docker, kubectl, az }, registry, true)
    expect(code).toBe(0)
    const steps = calls.filter((call) => /^docker (?:build|push)|apply|rollout/.test(call))
    expect(steps.map((call) => call.split(' ').slice(0, 4).join(' '))).toEqual([
      `docker build --tag ${image}`,
      `docker push ${image}`,
      'kubectl apply --filename -',
      'kubectl --namespace auth-api rollout',
      'kubectl --namespace auth-api rollout',
    ])
    expect(calls.indexOf('az account show --output none')).toBeLessThan(calls.indexOf(steps[0] ?? ''))
    expect(inputs.get('kubectl apply --filename -')).toBe(`kind: Deployment\nimage: ${image}\n`)
  })

  test('builds nothing when a check fails', async () => {
    const failing = { ...kubectl, get: { code: 1, stderr: 'not found' } }
    const { stderr, calls } = await build(['--push'], { git, docker, kubectl: failing, az }, registry, true)
    expect(stderr).toContain('Nothing was built: a check failed.')
    expect(calls.filter((call) => call.startsWith('docker build'))).toEqual([])
  })

  test('stops where a step fails', async () => {
    const { code, stderr, calls } = await build(
      ['--rollout'],
      { git, docker: { ...docker, push: { code: 1 } }, kubectl, az },
      registry,
      true,
    )
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining(`docker push ${image} ended with code 1`),
    })
    expect(calls.filter((call) => /apply/.test(call))).toEqual([])
  })

  test('says when it does not know the registry', async () => {
    expect((await build(['--push'], { git, docker })).stderr).toContain('AZURE_CONTAINER_REGISTRY_ENDPOINT is not set')
  })
})

/** Runs the script in a copy of the checkout, whose `azure.env` is filled in where the checks ask for that. */
async function build(
  args: readonly string[],
  programs: Parameters<typeof fakeClis>[0],
  env: NodeJS.ProcessEnv = {},
  filledIn = false,
) {
  const fakes = fakeClis(programs, env)
  const folder = filledIn ? copyOfCheckout() : root
  const done = await runCommand(process.execPath, [join(folder, 'scripts/build-image.ts'), ...args], {
    ...{ env: fakes.env, cwd: folder, timeoutMs: 60_000 },
  })
  const calls = fakes.calls()
  return {
    ...done,
    calls: calls.map(({ call }) => call),
    inputs: new Map(calls.map(({ call, input }) => [call, input])),
  }
}

function copyOfCheckout(): string {
  const folder = makeTemporaryFolderNow()
  for (const file of [
    '.funcignore',
    'azure.yaml',
    'host.json',
    'package.json',
    'infra',
    'dist',
    'scripts',
    'functions',
    'shared',
  ]) {
    cpSync(join(root, file), join(folder, file), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  rmSync(join(folder, 'k8s'), { recursive: true, force: true })
  mkdirSync(join(folder, 'k8s/overlays/aks'), { recursive: true })
  cpSync(join(root, 'k8s/base/settings.env'), join(folder, 'k8s/overlays/aks/azure.env'))
  return folder
}
