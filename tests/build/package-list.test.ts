import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore from 'ignore'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Exactly the app: no source, no test, no secret of an environment. */
const app = ['dist/identity.cjs', 'dist/main.cjs', 'dist/main.cjs.map', 'dist/metrics.cjs', 'host.json', 'package.json']

/** Files that lie in a checkout without being committed, and that must never be shipped. */
const strays = ['.azure/prod/.env', '.local/settings.json', 'local.settings.json', 'node_modules/zod/index.js', '.env']

test('the package of the app holds exactly six files', () => {
  const packaged = ignore().add(read('.funcignore')).filter(everyFile())
  expect(packaged.sort()).toEqual(app)
})

test('host.json samples requests: keeping each is the largest line of the bill', () => {
  const { logging } = JSON.parse(read('host.json')) as {
    logging: { applicationInsights: { samplingSettings: object } }
  }
  expect(logging.applicationInsights.samplingSettings).toEqual({ isEnabled: true, excludedTypes: 'Exception' })
})

function everyFile(): string[] {
  const committed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  const built = globSync('dist/*', { cwd: root }).map((path) => path.replaceAll('\\', '/'))
  expect(built.length).toBeGreaterThan(3)
  return [...new Set([...committed.trim().split('\n'), ...built, ...strays])]
}
