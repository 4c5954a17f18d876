import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { glob } from 'tinyglobby'
import { describeError, HostError } from '../errors.ts'
import type { Core } from './core.ts'
import { runHooks } from './invoke.ts'

/**
 * Returns the files that `main` of package.json matches, which Functions reads as a glob, in loading order.
 * Throws HostError when no file matches: the app is not built.
 */
export async function findEntryFiles(appDir: string): Promise<string[]> {
  const main = await readMain(appDir)
  const files = await glob(main, { cwd: appDir, absolute: true })
  if (files.length === 0) throw new HostError(`There is no ${main} in ${appDir}: run "npm run build" first.`)
  return files.sort()
}

/**
 * Loads the app's entry files as the worker does, runs its appStart hooks and locks it.
 * Throws HostError when a file throws, with its name, and when no function was registered.
 */
export async function loadApp(core: Core, appDir: string, files: readonly string[]): Promise<void> {
  const load = createRequire(join(appDir, 'package.json'))
  for (const file of files) {
    try {
      if (file.endsWith('.mjs')) await import(pathToFileURL(file).href)
      else load(file)
    } catch (error) {
      if (error instanceof HostError) throw error
      throw new HostError(`${relative(appDir, file)} could not be loaded: ${describeError(error)}`, { cause: error })
    }
  }
  await runHooks(core, 'appStart', {
    hookData: core.appLevelHookData,
    appHookData: core.appHookData,
    functionAppDirectory: appDir,
  })
  if (core.functions.size === 0) {
    throw new HostError(
      'The app registered no function. Its bundle must leave require("@azure/functions-core") as it is.',
    )
  }
  const capabilities = await core.programmingModel()?.getCapabilities?.({})
  if (capabilities?.HttpUri) {
    throw new HostError('app.setup({ enableHttpStream: true }) is not supported by the local host yet.')
  }
  core.lock()
}

async function readMain(appDir: string): Promise<string> {
  const file = join(appDir, 'package.json')
  if (!existsSync(file)) throw new HostError(`${file} does not exist.`)
  const { main } = JSON.parse(await readFile(file, 'utf8')) as { main?: unknown }
  if (typeof main !== 'string') throw new HostError(`${file} has no "main" that names the built app.`)
  return main
}
