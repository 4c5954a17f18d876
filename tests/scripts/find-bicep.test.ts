import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BICEP_VERSION, findBicep } from '../../scripts/find-bicep.ts'
import { makeTemporaryFolderNow } from '../support/samples/temporary-folder.ts'

const absent = () => {
  throw Object.assign(new Error('not found'), { code: 'ENOENT' })
}
const machine = (folder: string) => ({
  env: { NUGET_PACKAGES: folder },
  ...{ platform: 'linux', arch: 'x64', run: absent },
})

describe('findBicep', () => {
  test('takes what BICEP names, and says when it does not exist', () => {
    const env = { BICEP: import.meta.filename }
    expect(findBicep({ ...machine(''), env })).toEqual({ path: import.meta.filename })
    expect(findBicep({ ...machine(''), env: { BICEP: '/nowhere/bicep' } })).toEqual({
      missing: 'BICEP names /nowhere/bicep, which does not exist',
    })
  })

  test.each([
    ['linux', 'x64', 'azure.bicep.commandline.linux-x64', 'bicep'],
    ['darwin', 'arm64', 'azure.bicep.commandline.osx-arm64', 'bicep'],
    ['win32', 'x64', 'azure.bicep.commandline.win-x64', 'bicep.exe'],
  ])("takes NuGet's package of %s %s", (platform, arch, name, file) => {
    const folder = makeTemporaryFolderNow()
    const path = join(folder, name, BICEP_VERSION, 'tools', file)
    place(path)
    expect(findBicep({ ...machine(folder), platform, arch })).toEqual({ path })
  })

  test('takes the one on the PATH, if it has the version of the snapshots', () => {
    const folder = makeTemporaryFolderNow()
    const onPath = (version: string) => (command: string) =>
      command === 'bicep' ? `Bicep CLI version ${version} (abc)` : absent()
    expect(findBicep({ ...machine(folder), run: onPath(BICEP_VERSION) })).toEqual({ path: 'bicep' })
    expect(findBicep({ ...machine(folder), run: onPath('0.30.1') })).toHaveProperty('missing')
  })

  test('restores the package with dotnet', () => {
    const folder = makeTemporaryFolderNow()
    const path = join(folder, 'azure.bicep.commandline.linux-x64', BICEP_VERSION, 'tools', 'bicep')
    const run = (command: string, args: readonly string[]) => {
      if (command !== 'dotnet') return absent()
      expect(args).toContain('-p:Rid=linux-x64')
      place(path)
      return ''
    }
    expect(findBicep({ ...machine(folder), run })).toEqual({ path })
  })

  test('says why there is none', () => {
    const folder = makeTemporaryFolderNow()
    expect(findBicep(machine(folder))).toEqual({
      missing: `Bicep ${BICEP_VERSION} is not installed, and NuGet did not provide it (dotnet is not installed)`,
    })
  })
})

function place(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
}
