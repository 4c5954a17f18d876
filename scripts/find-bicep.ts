import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/** The version that the snapshots were made with. Another one writes them slightly differently. */
export const BICEP_VERSION = '0.49.2'

export interface BicepSearch {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: string
  readonly arch: string
  /** Runs a program and returns its output. Throws where the program is missing or fails. */
  readonly run: (command: string, args: readonly string[]) => string
}

export type FoundBicep = { readonly path: string } | { readonly missing: string }

const thisMachine: BicepSearch = {
  env: process.env,
  platform: process.platform,
  arch: process.arch,
  run: (command, args) =>
    execFileSync(command, args, { encoding: 'utf8', timeout: 50_000, stdio: ['ignore', 'pipe', 'pipe'] }),
}

/** NuGet downloads the package without a project that uses it; the SDK then needs no reference packs. */
const project = `<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup>
<TargetFramework>net$(BundledNETCoreAppTargetFrameworkVersion)</TargetFramework>
<DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences></PropertyGroup>
<ItemGroup><PackageDownload Include="Azure.Bicep.CommandLine.$(Rid)" Version="[${BICEP_VERSION}]" /></ItemGroup></Project>
`

/**
 * Looks for the Bicep CLI: `BICEP`, NuGet's packages folder, the same version on the PATH, and last a download by
 * `dotnet restore`. Returns why there is none otherwise. Installs nothing outside NuGet's packages folder.
 */
export function findBicep(change: Partial<BicepSearch> = {}): FoundBicep {
  const machine = { ...thisMachine, ...change }
  const named = machine.env.BICEP
  if (named) return existsSync(named) ? { path: named } : { missing: `BICEP names ${named}, which does not exist` }
  const packaged = packagedBicep(machine)
  if (existsSync(packaged)) return { path: packaged }
  if (isRightVersion(machine, 'bicep')) return { path: 'bicep' }
  const failure = restore(machine)
  if (existsSync(packaged)) return { path: packaged }
  return { missing: `Bicep ${BICEP_VERSION} is not installed, and NuGet did not provide it (${failure})` }
}

function packagedBicep({ env, platform, arch }: BicepSearch): string {
  const packages = env.NUGET_PACKAGES || join(homedir(), '.nuget', 'packages')
  const file = platform === 'win32' ? 'bicep.exe' : 'bicep'
  return join(packages, `azure.bicep.commandline.${ridOf(platform, arch)}`, BICEP_VERSION, 'tools', file)
}

/** The runtime identifier of .NET, which is part of the package's name. */
function ridOf(platform: string, arch: string): string {
  const systems: Readonly<Record<string, string>> = { win32: 'win', darwin: 'osx' }
  return `${systems[platform] ?? 'linux'}-${arch}`
}

function isRightVersion({ run }: BicepSearch, command: string): boolean {
  try {
    return run(command, ['--version']).includes(` ${BICEP_VERSION} `)
  } catch {
    return false
  }
}

/** Returns why the package was not restored, or an empty text. */
function restore({ run, platform, arch }: BicepSearch): string {
  const folder = mkdtempSync(join(tmpdir(), 'bicep-'))
  try {
    writeFileSync(join(folder, 'bicep.csproj'), project)
    run('dotnet', ['restore', join(folder, 'bicep.csproj'), `-p:Rid=${ridOf(platform, arch)}`, '-nodeReuse:false'])
    return ''
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'dotnet is not installed'
      : 'dotnet restore failed'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
