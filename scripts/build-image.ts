import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runChecks, surroundings, toTable } from './checks/check.ts'
import { commonChecks } from './checks/common.ts'
import { findBuilder, kubernetesChecks } from './checks/kubernetes.ts'
import { runCommand } from './commands.ts'

/**
 * Builds the image of a commit, pushes it and rolls it out: the checks first, and each step only after the one before
 * it. A dirty tree is refused, because a tag names a commit.
 */
const root = join(import.meta.dirname, '..')
const env = process.env
const HOUR_MS = 3_600_000

/** A tag of a build that is not pushed. */
const LOCAL = 'localhost'

try {
  await buildImage()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function buildImage(): Promise<void> {
  const { values } = parseArgs({
    options: {
      push: { type: 'boolean', default: false },
      rollout: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
    },
  })
  const push = values.push || values.rollout
  const image = `${push ? registryHost() : LOCAL}/auth-api:${await tagOfCommit()}`
  const step = values['dry-run'] ? print : execute
  if (push && !values['dry-run']) await checkFirst()
  const builder = values['dry-run'] ? 'docker' : await builderOf()
  await step([builder, ...(builder === 'buildah' ? ['bud'] : ['build']), '--tag', image, '.'])
  if (push) await step([builder, 'push', image])
  if (values.rollout) await rollOut(image, step)
  process.stdout.write(`${image}\n`)
}

type Step = (command: readonly string[], input?: string) => Promise<void>

/** Applies the manifests with this image and waits until both Deployments run it. */
async function rollOut(image: string, step: Step): Promise<void> {
  const { code, stdout, stderr } = await runCommand('kubectl', ['kustomize', 'k8s/overlays/aks'], { env, cwd: root })
  if (code !== 0) throw new Error(`k8s/overlays/aks cannot be rendered: ${stderr.trim()}`)
  await step(['kubectl', 'apply', '--filename', '-'], stdout.replaceAll('image: auth-api:dev', `image: ${image}`))
  for (const name of ['api', 'worker']) {
    await step(['kubectl', '--namespace', 'auth-api', 'rollout', 'status', `deployment/${name}`, '--timeout=5m'])
  }
}

/** `YYYY.MM.DD-<sha7>`, of the commit: the same commit always gets the same tag. */
async function tagOfCommit(): Promise<string> {
  const git = async (...args: string[]) => {
    const { code, stdout } = await runCommand('git', args, { env: { ...env, TZ: 'UTC' }, cwd: root })
    if (code !== 0) throw new Error('This is no git checkout, so there is no commit to name the image after.')
    return stdout.trim()
  }
  const changed = await git('status', '--porcelain')
  if (changed !== '')
    throw new Error(`The tree has changes that no commit holds. Commit or stash them first:\n${changed}`)
  return git('log', '-1', '--date=format-local:%Y.%m.%d', '--abbrev=7', '--format=%cd-%h')
}

function registryHost(): string {
  const host = env.AZURE_CONTAINER_REGISTRY_ENDPOINT
  if (!host)
    throw new Error('AZURE_CONTAINER_REGISTRY_ENDPOINT is not set. Run: azd env exec -- npm run image -- --push')
  return host
}

async function builderOf(): Promise<string> {
  const found = await findBuilder((command, args) => runCommand(command, args, { env }))
  if (found === undefined) throw new Error('Neither docker nor buildah answers. Start Docker, or install buildah.')
  return found
}

async function checkFirst(): Promise<void> {
  const checked = await runChecks([...commonChecks, ...kubernetesChecks], surroundings(root, env))
  process.stdout.write(toTable(checked))
  if (checked.some(({ finding }) => finding.state === 'FAIL')) throw new Error('Nothing was built: a check failed.')
}

async function execute([command = '', ...args]: readonly string[], input?: string): Promise<void> {
  const options = { env, cwd: root, timeoutMs: HOUR_MS, show: true }
  const { code } = await runCommand(command, args, input === undefined ? options : { ...options, input })
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with code ${code}`)
}

async function print(command: readonly string[]): Promise<void> {
  process.stdout.write(`${command.join(' ')}\n`)
}
