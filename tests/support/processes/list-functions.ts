import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { installCore } from '../../../local/runtime/core.ts'
import { loadApp } from '../../../local/runtime/load-app.ts'
import { settingNames } from '../../../shared/runtime/config.ts'

/**
 * Loads the built app as the worker does, which works once per process. The argument is the app's file. Prints as JSON
 * what the app registered, and what it touched while loading.
 */
const file = process.argv[2] ?? ''
const read = new Set<string>()
const environment = process.env
process.env = new Proxy(environment, {
  get(target, name) {
    read.add(String(name))
    return target[String(name)]
  },
})

const core = installCore(() => undefined)
await loadApp(core, join(file, '..'), [file])
process.stdout.write(
  JSON.stringify({
    functions: [...core.functions.values()].map(({ name, trigger }) => ({ name, trigger })),
    hooks: Object.fromEntries(Object.entries(core.hooks).map(([name, callbacks]) => [name, callbacks.length])),
    filesRead: Object.keys(createRequire(import.meta.url).cache).map((path) => basename(path)),
    settingsRead: [...read].filter((name) => settingNames.includes(name)),
    resources: process.getActiveResourcesInfo().filter((name) => !/^(?:Pipe|TTY|FSReq)/.test(name)),
  }),
)
