import { cp, glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bicepForTests } from '../support/infra/bicep.ts'
import { scenarios } from '../support/infra/snapshot.ts'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

const infra = join(import.meta.dirname, '../../infra')
const bicep = bicepForTests()

describe('infra/', () => {
  test('compiles without a diagnostic, under every rule of the linter', async () => {
    expect(await bicep().diagnose(join(infra, 'main.bicep'))).toEqual([])
  })

  test('is formatted', async () => {
    const files = await Array.fromAsync(glob('**/*.{bicep,bicepparam}', { cwd: infra }))
    expect(files.length).toBeGreaterThan(15)
    for (const file of files) {
      const path = join(infra, file)
      expect.soft(await bicep().format(path), file).toBe(await readFile(path, 'utf8'))
    }
  })

  test.each(scenarios)(
    'has the snapshot of %s that its files make: else `npm run infra:snapshots`',
    async (scenario) => {
      const committed = await readFile(join(infra, `scenarios/${scenario}.snapshot.json`), 'utf8')
      expect(await bicep().snapshot(join(infra, `scenarios/${scenario}.bicepparam`))).toBe(committed)
    },
  )

  test('refuses a private network without Flex, and says why', async () => {
    await expect(bicep().snapshot(join(infra, 'scenarios/bad.bicepparam'))).rejects.toThrow(
      'privateNetwork needs hosting = flex',
    )
  })

  test('reads every parameter but none twice from the environment of azd', async () => {
    const [main, params] = await Promise.all(
      ['main.bicep', 'main.bicepparam'].map((file) => readFile(join(infra, file), 'utf8')),
    )
    const names = (text: string | undefined) => [...(text ?? '').matchAll(/^param (\w+)/gm)].map(([, name]) => name)
    expect(names(params)).toEqual(names(main))
    const settings = [...(params ?? '').matchAll(/'((?:AZURE|AUTH_API)_\w+)'/g)].map(([, name]) => name)
    expect(new Set(settings).size).toBe(names(main).length)
  })
})

describe('a planted fault is found', () => {
  test('a misspelt property', async () => {
    const copy = await copyWith('modules/data-storage.bicep', 'allowSharedKeyAccess:', 'allowSharedKeysAccess:')
    expect((await bicep().diagnose(join(copy, 'main.bicep'))).join()).toContain('Did you mean "allowSharedKeyAccess"?')
  })

  test('an unused parameter', async () => {
    const copy = await copyWith('main.bicep', 'param location string\n', 'param location string\nparam spare string\n')
    expect((await bicep().diagnose(join(copy, 'main.bicep'))).join()).toContain('no-unused-params')
  })

  test('a shared key, in the snapshot', async () => {
    const copy = await copyWith(
      'modules/data-storage.bicep',
      'allowSharedKeyAccess: false',
      'allowSharedKeyAccess: true',
    )
    const committed = await readFile(join(infra, 'scenarios/flex.snapshot.json'), 'utf8')
    expect(await bicep().snapshot(join(copy, 'scenarios/flex.bicepparam'))).not.toBe(committed)
  })
})

async function copyWith(file: string, from: string, to: string): Promise<string> {
  const copy = join(await makeTemporaryFolder(), 'infra')
  await cp(infra, copy, { recursive: true })
  const text = await readFile(join(copy, file), 'utf8')
  expect(text).toContain(from)
  await writeFile(join(copy, file), text.replace(from, to))
  return copy
}
