import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { settingNames } from '../../shared/runtime/config.ts'
import { nearestName, unknownSetting } from '../../shared/runtime/misspelt-settings.ts'
import type { Environment } from '../runtime/app-settings.ts'
import { inFolder } from '../storage/in-folder.ts'
import { parseSettings, type Settings } from './parse-settings.ts'

/** The required settings, each with what generates its default. */
const GENERATORS: Record<string, () => string> = {
  ADMIN_KEY: () => randomBytes(32).toString('base64url'),
  KEY_PEPPERS: () => `p1:${randomBytes(32).toString('base64')}`,
}

/**
 * Reads the settings in `settings.json` of the data folder. ADMIN_KEY and KEY_PEPPERS are generated when neither the
 * environment nor the file has them, and stored in the file, which only its owner can read; without a folder they are
 * generated on every start. The environment wins: the result omits every setting that it has.
 */
export async function loadLocalSettings(dataDir: string | undefined, environment: Environment): Promise<Settings> {
  const stored = dataDir === undefined ? {} : await readSettings(dataDir)
  const missing = Object.keys(GENERATORS).filter((name) => !environment[name] && !stored[name])
  const generated = Object.fromEntries(missing.map((name) => [name, GENERATORS[name]?.() ?? '']))
  const settings = { ...stored, ...generated }
  if (dataDir !== undefined && missing.length > 0) await writeSettings(dataDir, settings)
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !environment[name]))
}

async function readSettings(dataDir: string): Promise<Settings> {
  const file = join(dataDir, 'settings.json')
  return inFolder(dataDir, async () => {
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (bytes === undefined) return {}
    await chmod(file, 0o600)
    return parseSettings(file, bytes)
  })
}

async function writeSettings(dataDir: string, settings: Settings): Promise<void> {
  await inFolder(dataDir, async () => {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const file = join(dataDir, 'settings.json')
    // Writes a temporary file and renames it: a crash cannot leave half a file and lose the pepper.
    await writeFile(`${file}.new`, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 })
    await rename(`${file}.new`, file)
  })
}

const LOCAL_SETTINGS = ['LOCAL_QUEUE_LEASE_SECONDS', 'AZURITE_BLOB_PORT', 'AZURITE_QUEUE_PORT', 'AZURITE_TABLE_PORT']
const known = [...settingNames, ...LOCAL_SETTINGS]

/** One line per name in the file that nothing reads, but for the settings of the platform itself. */
export function unknownSettings(settings: Settings): string[] {
  return Object.keys(settings)
    .filter((name) => !known.includes(name) && !/^(?:AzureWebJobs|FUNCTIONS_|WEBSITE_|AZURE_FUNCTIONS_)/.test(name))
    .map((name) => unknownSetting(name, nearestName(name, known)))
}
