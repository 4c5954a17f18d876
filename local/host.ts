import { createAdmin } from './http/admin.ts'
import type { HttpServer } from './http/http-server.ts'
import { createHttpTrigger } from './http/http-trigger.ts'
import { compileRoutes } from './http/router.ts'
import type { Log } from './log.ts'
import { createQueueStorage } from './queue/queue-storage.ts'
import { type Environment, isDisabled } from './runtime/app-settings.ts'
import { type Core, installCore } from './runtime/core.ts'
import { readHostJson } from './runtime/host-json.ts'
import { createInvoke, runHooks } from './runtime/invoke.ts'
import { loadApp } from './runtime/load-app.ts'
import { createBindOutputs } from './runtime/outputs.ts'
import { createRunFunction } from './runtime/run-function.ts'
import { startTriggers } from './triggers.ts'

export type HostOptions = {
  appDir: string
  /** The result of `findEntryFiles(appDir)`. */
  entryFiles: readonly string[]
  server: HttpServer
  /** The settings that the app reads from process.env; the host resolves names and connections from them. */
  environment: Environment
  leaseSeconds: number
  log: Log
  verbose: boolean
  /** Passes on bodies in chunks. */
  httpStreams: boolean
}

export type Host = {
  functionCount: number
  /** Accepts no new work, drains the work in flight, then runs the app's appTerminate hooks. */
  stop: () => Promise<void>
}

/**
 * Loads the app and runs its functions in this process, which can do this once.
 * Throws HostError when the app cannot run.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const { appDir, environment, log, server, httpStreams } = options
  const { routePrefix, queues } = await readHostJson(appDir)
  const core = installCore(log)
  await loadApp(core, appDir, options.entryFiles)

  const functions = [...core.functions.values()]
  const storage = createQueueStorage()
  const bindOutputs = createBindOutputs(functions, storage, queues.messageEncoding, environment)
  const runFunction = createRunFunction(createInvoke(core), bindOutputs, log, options.verbose)
  const routes = compileRoutes(
    functions.filter(({ name }) => !isDisabled(name, environment)),
    routePrefix,
  )
  const triggers = await startTriggers(functions, {
    storage,
    queues,
    leaseSeconds: options.leaseSeconds,
    runFunction,
    environment,
    log,
  })
  const handleUnmatched = createAdmin({ core, routes, findManualStart: triggers.findManualStart })
  server.serve(createHttpTrigger({ routes, runFunction, log, httpStreams, handleUnmatched }))

  return {
    functionCount: functions.length,
    stop: async () => {
      await Promise.all([server.close(), triggers.stop()])
      await terminate(core)
    },
  }
}

async function terminate(core: Core): Promise<void> {
  await runHooks(core, 'appTerminate', { hookData: core.appLevelHookData, appHookData: core.appHookData })
}
