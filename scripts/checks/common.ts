import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ignore from 'ignore'
import { startBicep } from '../bicep-server.ts'
import { bundleApp } from '../bundle.ts'
import { findBicep } from '../find-bicep.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { type Check, fail, ok, skip } from './check.ts'

/** Exactly what the app consists of. */
export const packagedFiles = [
  ...['dist/identity.cjs', 'dist/main.cjs', 'dist/main.cjs.map', 'dist/metrics.cjs'],
  ...['host.json', 'package.json'],
]

const neededFiles = [
  'host.json',
  'package.json',
  '.funcignore',
  'azure.yaml',
  'infra/main.bicep',
  'infra/main.bicepparam',
]

const node: Check = {
  name: 'node',
  look: async ({ nodeVersion }) =>
    Number(nodeVersion.split('.')[0]) >= 24
      ? ok(`Node ${nodeVersion}`)
      : fail(`Node ${nodeVersion} runs this script`, 'npm ci, and start scripts by npm run: it brings Node 24'),
}

const cleanTree: Check = {
  name: 'clean tree',
  async look({ run }) {
    const { code, stdout } = await run('git', ['status', '--porcelain'])
    if (code === 127) return fail('git is not installed', 'install git')
    if (code !== 0) return fail('this is no git checkout', 'deploy from a clone, so that a version can be found again')
    const changed = stdout.split('\n').filter((line) => line !== '')
    if (changed.length === 0) return ok('nothing is changed')
    return fail(`${changed.length} changed files, first ${changed[0]?.slice(3)}`, 'git commit, or git stash')
  },
}

const files: Check = {
  name: 'files',
  async look({ root }) {
    const missing = neededFiles.filter((file) => !existsSync(join(root, file)))
    return missing.length === 0
      ? ok(`${neededFiles.length} files`)
      : fail(`missing: ${missing.join(', ')}`, 'git checkout')
  },
}

const bundle: Check = {
  name: 'bundle',
  async look({ root }) {
    await using folder = await temporaryFolder()
    const { functions } = await bundleApp(join(folder.path, 'main.cjs'))
    const built = await readFile(join(folder.path, 'main.cjs'))
    const present = await readFile(join(root, 'dist', 'main.cjs')).catch(() => undefined)
    if (present === undefined) return fail('dist/main.cjs does not exist', 'npm run build')
    if (!present.equals(built)) return fail('dist/main.cjs is not of these sources', 'npm run build')
    return ok(`dist/ is current, with ${functions} functions`)
  },
}

const packageList: Check = {
  name: 'package',
  async look({ root }) {
    const rules = ignore().add(await readFile(join(root, '.funcignore'), 'utf8'))
    const packaged = await walk(root, '', rules)
    const wrong = [
      ...packaged.filter((file) => !packagedFiles.includes(file)).map((file) => `${file} would be shipped`),
      ...packagedFiles.filter((file) => !packaged.includes(file)).map((file) => `${file} is missing`),
    ]
    if (wrong.length === 0) return ok(`${packaged.length} files`)
    return fail(wrong.slice(0, 3).join(', '), 'npm run build, or name the file in .funcignore')
  },
}

const infra: Check = {
  name: 'infra',
  async look({ root, env }) {
    const found = findBicep({ env })
    if ('missing' in found) return skip(found.missing)
    await using bicep = startBicep(found.path)
    const [first, ...more] = await bicep.diagnose(join(root, 'infra', 'main.bicep'))
    if (first === undefined) return ok('compiles without a diagnostic')
    return fail(`${first} (and ${more.length} more)`, 'mend infra/, then npm run infra:snapshots')
  },
}

export const commonChecks: readonly Check[] = [node, cleanTree, files, bundle, packageList, infra]

/** Every file that no rule ignores. Ignored folders are not entered. */
async function walk(root: string, folder: string, rules: ReturnType<typeof ignore>): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (rules.ignores(entry.isDirectory() ? `${path}/` : path)) return []
      return entry.isDirectory() ? walk(root, path, rules) : [path]
    }),
  )
  return found.flat()
}
