import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Check, commandCheck, fail, ok } from './check.ts'

const WEBHOOK = 'azure-wi-webhook-mutating-webhook-configuration'

/** docker or buildah, whichever answers; `undefined` where neither does. */
export async function findBuilder(run: (command: string, args: readonly string[]) => Promise<{ code: number }>) {
  for (const command of ['docker', 'buildah'] as const) {
    if ((await run(command, ['info'])).code === 0) return command
  }
  return undefined
}

const builder: Check = {
  name: 'builder',
  async look({ run }) {
    const command = await findBuilder(run)
    if (command !== undefined) return ok(`${command} answers`)
    return fail('neither docker nor buildah answers', 'start Docker, or install buildah')
  },
}

const az = { cure: 'az login', install: 'https://aka.ms/install-azure-cli' }
const kubectl = { install: 'https://kubernetes.io/docs/tasks/tools/' }

const registry: Check = {
  name: 'registry',
  async look(here) {
    const [name] = (here.env.AZURE_CONTAINER_REGISTRY_ENDPOINT ?? '').split('.')
    if (!name) return fail('AZURE_CONTAINER_REGISTRY_ENDPOINT is not set', 'azd provision with hosting = kubernetes')
    const cure = 'have AcrPush assigned on the registry'
    return commandCheck('', ['az', 'acr', 'login', '--name', name], { ...az, good: name, cure }).look(here)
  },
}

const context: Check = {
  name: 'context',
  async look({ run, env }) {
    const { code, stdout } = await run('kubectl', ['config', 'current-context'])
    if (code === 127) return fail('kubectl is not installed', kubectl.install)
    const current = stdout.trim()
    const wanted = env.KUBE_CONTEXT ?? current
    if (current !== '' && current === wanted) return ok(current)
    const which = wanted === '' ? '<name>' : wanted
    return fail(`kubectl points to ${current || 'no cluster'}`, `kubectl config use-context ${which}`)
  },
}

const installed = (name: string, what: readonly string[], cure: string): Check =>
  commandCheck(name, ['kubectl', 'get', ...what, '--output', 'name'], { ...kubectl, good: 'installed', cure })

const azureNames: Check = {
  name: 'azure.env',
  async look({ root }) {
    const file = 'k8s/overlays/aks/azure.env'
    const left = (await readFile(join(root, file), 'utf8')).split('\n').filter((line) => /=.*\breplaced\b/.test(line))
    if (left.length === 0) return ok('every name is filled in')
    return fail(`${left.length} names are not filled in`, `copy them from azd env get-values into ${file}, and commit`)
  },
}

export const kubernetesChecks: readonly Check[] = [
  builder,
  commandCheck('az', ['az', 'account', 'show', '--output', 'none'], { ...az, good: 'signed in' }),
  registry,
  context,
  installed('keda', ['crd', 'scaledobjects.keda.sh'], 'az aks update --enable-keda'),
  installed(
    'csi driver',
    ['crd', 'secretproviderclasses.secrets-store.csi.x-k8s.io'],
    'az aks enable-addons --addons azure-keyvault-secrets-provider',
  ),
  installed(
    'identity',
    ['mutatingwebhookconfiguration', WEBHOOK],
    'az aks update --enable-oidc-issuer --enable-workload-identity',
  ),
  azureNames,
]
