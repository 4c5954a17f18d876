import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Deployment } from 'kubernetes-types/apps/v1.js'
import { beforeEach, describe, expect, test } from 'vitest'
import { functionSettings } from '../../scripts/kubernetes-functions.ts'
import { parseConfig, settingNames } from '../../shared/runtime/config.ts'
import { kubectlMissing, type Manifest, render, typeErrors } from '../support/infra/kubernetes.ts'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFile(join(root, file), 'utf8')
const sources = new Map(
  await Promise.all(
    (await readdir(join(root, 'functions'))).map(
      async (file) => [file.replace('.ts', ''), await read(`functions/${file}`)] as const,
    ),
  ),
)
const listed = async (name: string) =>
  [...(await read(`k8s/base/${name}-functions.env`)).matchAll(/__functions__\d+=(.+)/g)].map(([, one = '']) => one)

describe('the two Deployments', () => {
  test('have the functions that functions/ holds: else `npm run infra:snapshots`', async () => {
    const made = functionSettings(sources)
    expect(await read('k8s/base/api-functions.env')).toBe(made.api)
    expect(await read('k8s/base/worker-functions.env')).toBe(made.worker)
  })

  test('share every function out: each in exactly one, but for the probe and the metrics', async () => {
    const [api, worker] = [await listed('api'), await listed('worker')]
    expect([...new Set([...api, ...worker])].sort()).toEqual([...sources.keys()].sort())
    expect(api.filter((name) => worker.includes(name))).toEqual(['health', 'metrics'])
    expect(worker).toContain('usage-aggregate')
    expect(api).toContain('keys-validate')
  })
})

describe('k8s/overlays/aks', () => {
  const manifests = kubectlMissing === '' ? render('k8s/overlays/aks') : []
  const named = (kind: string, name: string): Manifest => {
    const found = manifests.find((one) => one.kind === kind && one.metadata.name === name)
    if (found === undefined) throw new Error(`There is no ${kind} ${name}.`)
    return found
  }
  const deployments = manifests.filter(({ kind }) => kind === 'Deployment') as unknown as readonly Deployment[]

  if (kubectlMissing) process.stderr.write(`Skipped: rendering k8s/. ${kubectlMissing}.\n`)
  beforeEach((context) => context.skip(kubectlMissing !== '', kubectlMissing))

  test('has only fields that the models of Kubernetes and KEDA know', async () => {
    expect(manifests.length).toBeGreaterThan(12)
    expect(await typeErrors(manifests)).toEqual([])
  })

  test('runs both Deployments from one image, as a user without rights', () => {
    expect(deployments.map(({ metadata }) => metadata?.name)).toEqual(['api', 'worker'])
    for (const { spec } of deployments) {
      const [container] = spec?.template.spec?.containers ?? []
      expect(container?.image).toBe('auth-api:dev')
      expect(spec?.template.spec?.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
      expect(container?.securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } })
    }
  })

  test('probes what makes no request, so that an outage of the store takes no pod out', () => {
    for (const { spec } of deployments) {
      const [container] = spec?.template.spec?.containers ?? []
      const probes = [container?.startupProbe, container?.livenessProbe, container?.readinessProbe]
      expect(probes.map((probe) => probe?.httpGet?.path)).toEqual(['/health', '/health', '/health'])
    }
  })

  test('lets a pod finish: it leaves the service before it ends, and flushes its uses', () => {
    for (const { spec } of deployments) {
      const pod = spec?.template.spec
      expect(pod?.containers[0]?.lifecycle?.preStop?.exec?.command).toEqual(['sleep', '10'])
      expect(pod?.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(60)
      expect(pod?.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath)).toContain('/spool')
    }
  })

  test('leaves the number of pods to the autoscalers, and never stops the timers', () => {
    expect(deployments.map(({ spec }) => spec?.replicas)).toEqual([undefined, undefined])
    expect(named('HorizontalPodAutoscaler', 'api').spec).toMatchObject({ minReplicas: 2, maxReplicas: 10 })
    expect(named('ScaledObject', 'worker').spec).toMatchObject({ minReplicaCount: 1 })
    expect(named('PodDisruptionBudget', 'api').spec).toMatchObject({ maxUnavailable: 1 })
  })

  test('selects pods that exist', () => {
    const labels = deployments.map(({ spec }) => spec?.template.metadata?.labels ?? {})
    const { podSelector } = named('NetworkPolicy', 'auth-api').spec as { podSelector: { matchLabels: object } }
    for (const pod of labels) expect(pod).toMatchObject(podSelector.matchLabels)
    const { selector } = named('Service', 'api').spec as { selector: object }
    expect(labels.filter((pod) => matches(pod, selector))).toHaveLength(1)
  })

  test('gives the app settings that it accepts and the host knows', () => {
    const data = manifests.find(({ metadata }) => metadata.name.startsWith('settings-'))?.data ?? {}
    const host = /^(?:AzureWebJobs\w+|AZURE_STORAGE_CONNECTION_STRING__queueServiceUri|AZURE_CLIENT_ID)$/
    const ofTheManifests = ['AZURE_TENANT_ID', 'AZURE_KEY_VAULT_NAME']
    const unread = Object.keys(data).filter(
      (name) => !settingNames.includes(name) && !host.test(name) && !ofTheManifests.includes(name),
    )
    expect(unread).toEqual([])
    const secrets = { ADMIN_KEY: 'a'.repeat(32), KEY_PEPPERS: `p1:${Buffer.alloc(32).toString('base64')}` }
    expect(() => parseConfig({ ...data, ...secrets })).not.toThrow()
  })

  test('reads the secrets that infra/ makes, under the names of the settings', () => {
    const { parameters, secretObjects } = named('SecretProviderClass', 'auth-api').spec as {
      parameters: { objects: string }
      secretObjects: { data: { objectName: string; key: string }[] }[]
    }
    expect(secretObjects[0]?.data).toEqual([
      { objectName: 'admin-key', key: 'ADMIN_KEY' },
      { objectName: 'key-peppers', key: 'KEY_PEPPERS' },
    ])
    for (const { objectName } of secretObjects[0]?.data ?? []) expect(parameters.objects).toContain(objectName)
  })

  test('has every name of an Azure resource from azure.env', async () => {
    const copy = join(await makeTemporaryFolder(), 'k8s')
    await cp(join(root, 'k8s'), copy, { recursive: true })
    const file = join(copy, 'overlays/aks/azure.env')
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('replaced', 'given'))
    const text = JSON.stringify(render(join(copy, 'overlays/aks')))
    expect(text).not.toContain('replaced')
    expect(text.match(/:"given"/g)).toHaveLength(7 + 4)
  })

  test('finds a misspelt probe, when one is planted', async () => {
    const [first] = manifests.filter(({ kind }) => kind === 'Deployment')
    const text = JSON.stringify(first).replace('livenessProbe', 'livenesProbe')
    expect((await typeErrors([JSON.parse(text) as Manifest])).join()).toContain('livenesProbe')
  })
})

function matches(labels: Readonly<Record<string, string>>, selector: object): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value)
}
