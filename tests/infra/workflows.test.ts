import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../..')
const folder = join(root, '.github/workflows')
const files = readdirSync(folder)
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const scripts = (JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }).scripts

interface Workflow {
  readonly permissions: unknown
  readonly jobs: Readonly<
    Record<string, { readonly 'timeout-minutes'?: number; readonly steps: readonly { uses?: string }[] }>
  >
}

interface Hook {
  readonly posix: { readonly shell: string; readonly run: string }
  readonly windows: { readonly shell: string; readonly run: string }
}

describe.each(files)('.github/workflows/%s', (file) => {
  const text = readFileSync(join(folder, file), 'utf8')
  const workflow = parse(text) as Workflow

  test('pins every action to a commit, with its version beside it', () => {
    const used = [...text.matchAll(/uses: (.*)/g)].map(([, name = '']) => name)
    expect(used.length).toBeGreaterThan(0)
    expect(used.filter((name) => !/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(name))).toEqual([])
  })

  test('gives no rights but those that a job names, and ends by itself', () => {
    expect(workflow.permissions).toEqual({})
    for (const job of Object.values(workflow.jobs)) expect(job['timeout-minutes']).toBeLessThanOrEqual(60)
  })

  test('runs only scripts that exist', () => {
    const named = [...text.matchAll(/npm run (?:--\w+ )*([\w:-]+)/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

describe('azure.yaml', () => {
  const azure = parse(read('azure.yaml')) as {
    hooks: Readonly<Record<string, Hook>>
    services: { api: object }
  }

  test('ships the bundle, which no server builds', () => {
    expect(azure.services.api).toEqual({ project: '.', language: 'ts', host: 'function', remoteBuild: false })
  })

  test('checks before, makes secrets after, and verifies at the end, on Linux, macOS and Windows', () => {
    expect(Object.keys(azure.hooks)).toEqual(['preprovision', 'postprovision', 'postdeploy'])
    for (const { posix, windows } of Object.values(azure.hooks)) {
      expect([posix.shell, windows.shell]).toEqual(['sh', 'pwsh'])
      expect(posix.run).toBe(windows.run)
      expect(/npm run --silent ([\w:]+)/.exec(posix.run)?.[1]).toSatisfy((name: string) => name in scripts)
    }
  })
})
