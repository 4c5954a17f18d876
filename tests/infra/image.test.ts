import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { makeTemporaryFolderNow } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'Dockerfile'), 'utf8')
const ignored = readFileSync(join(root, '.dockerignore'), 'utf8')

describe('the image', () => {
  test('is described without a warning', () => {
    expect(validate(text).map(({ range, message }) => `${range.start.line + 1}: ${message}`)).toEqual([])
  })

  test('finds a misspelt instruction, when one is planted', () => {
    expect(validate(text.replace('WORKDIR', 'WORKDR'))).not.toEqual([])
  })

  test('holds the six files of the package and no source', () => {
    const copied = [...text.matchAll(/^COPY --from=build \S+ (.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    )
    expect(copied).toEqual(['/src/host.json', '/src/package.json', '/src/dist'])
  })

  test('runs without root, on Node 24, on the port of the manifests', () => {
    expect(text).toContain('USER 1000:1000')
    expect(text).toMatch(/NODE_IMAGE=\S+node:24-/)
    expect(text).toMatch(/FUNCTIONS_IMAGE=\S+:4-node24/)
    expect(text).toContain('EXPOSE 8080')
  })

  test('is built of the files that .dockerignore lets through, and of nothing else', () => {
    expect(ignored.split('\n').find((line) => !line.startsWith('#'))).toBe('*')
    const context = buildContext()
    symlinkSync(join(root, 'node_modules'), join(context, 'node_modules'), 'junction')
    const built = execFileSync(process.execPath, ['scripts/build.ts'], { cwd: context, encoding: 'utf8' })
    expect(built).toContain(`${readdirSync(join(root, 'functions')).length} functions`)
    expect(readdirSync(join(context, 'dist')).sort()).toEqual([
      'identity.cjs',
      'main.cjs',
      'main.cjs.map',
      'metrics.cjs',
    ])
  })

  test('is built by buildah on a stand-in for its two bases', { timeout: 300_000 }, (context) => {
    const base = process.env.IMAGE_TEST_BASE
    const missing = isInstalled('buildah')
      ? 'IMAGE_TEST_BASE names no local image with Node 24 and npm, to stand in for the two bases'
      : 'buildah is not installed'
    if (!base) process.stderr.write(`Skipped: building the image. ${missing}.\n`)
    context.skip(!base, missing)
    const options = [
      '--storage-driver',
      process.env.STORAGE_DRIVER ?? 'overlay',
      'bud',
      '--pull-never',
      '-t',
      'auth-api:test',
    ]
    const bases = [`NODE_IMAGE=${base}`, `FUNCTIONS_IMAGE=${base}`].flatMap((one) => ['--build-arg', one])
    const npmrc = join(homedir(), '.npmrc')
    const secret = existsSync(npmrc) ? ['--secret', `id=npmrc,src=${npmrc}`] : []
    execFileSync('buildah', [...options, ...bases, ...secret, root], {
      ...{ env: { ...process.env, BUILDAH_ISOLATION: 'chroot' }, stdio: 'pipe' },
    })
  })
})

/** A folder with what `docker build .` would send. */
function buildContext(): string {
  const folder = makeTemporaryFolderNow()
  const committed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  const sent = [...ignored.matchAll(/^!(.+)$/gm)].map(([, name = '']) => name)
  for (const file of committed.trim().split('\n')) {
    const isSent = sent.some((name) => file === name || file.startsWith(`${name}/`))
    if (isSent) cpSync(join(root, file), join(folder, file), { recursive: true })
  }
  return folder
}

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
