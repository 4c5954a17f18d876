import { execFile, execFileSync } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { makeTemporaryFolder } from '../samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../../..')

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec?: unknown
  readonly data?: Readonly<Record<string, string>>
}

/** Why no manifest can be rendered here, or an empty text. */
export const kubectlMissing = isInstalled('kubectl') ? '' : 'kubectl is not installed'

export function render(folder: string): readonly Manifest[] {
  const text = execFileSync('kubectl', ['kustomize', resolve(root, folder)], { encoding: 'utf8', stdio: 'pipe' })
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest)
}

/** The models of these kinds; `undefined` where no package has one. */
function modelOf({ apiVersion, kind }: Manifest): string | undefined {
  const [version = '', group = 'core'] = apiVersion.split('/').reverse()
  if (group === 'secrets-store.csi.x-k8s.io') return undefined
  if (group === 'keda.sh') return `import('@kubernetes-models/keda/keda.sh/${version}').I${kind}`
  return `import('kubernetes-types/${group.split('.')[0]}/${version}').${kind}`
}

/** Returns what the compiler says of the manifests as values of their models: unknown fields and wrong types. */
export async function typeErrors(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const folder = await makeTemporaryFolder()
  const values = manifests.flatMap((manifest, index) => {
    const model = modelOf(manifest)
    return model ? [`export const v${index} = ${JSON.stringify(manifest, null, 1)} satisfies ${model}\n`] : []
  })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  await writeFile(join(folder, 'manifests.ts'), values.join(''))
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler']
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const done = await promisify(execFile)(process.execPath, [tsc, ...options, '--types', '', 'manifests.ts'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error)
  return done.stdout.split('\n').filter((line) => line !== '')
}

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ['version', '--client'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
