import { resolve } from 'node:path'
import { parseConfig } from '../shared/runtime/config.ts'
import type { CommandLine } from './cli/command-line.ts'
import { loadLocalSettings, unknownSettings } from './cli/local-settings.ts'
import { HostError } from './errors.ts'
import { type Host, startHost } from './host.ts'
import { type HttpServer, listen } from './http/http-server.ts'
import type { Log } from './log.ts'
import { findEntryFiles } from './runtime/load-app.ts'
import { azuriteConnectionString } from './storage/azurite.ts'
import { chooseLocalDisk } from './storage/local-disk.ts'
import { openStore, type Store } from './storage/store.ts'

/** A running app with everything started for it. */
export type Session = {
  baseUrl: string
  functionCount: number
  dataLocation: string
  /** Undefined when the environment set it. */
  adminKey: string | undefined
  /** Drains work in flight for at most 10 s, then stops everything. Resolves to false when work was cut off. */
  stop: () => Promise<boolean>
}

const DRAIN_TIMEOUT_MS = 10_000
/** The lease of a queue message in the real host. */
const LEASE_SECONDS = '600'

/**
 * Starts the app with its store. The app reads its settings from `environment`, to which missing settings are added.
 * Throws HostError or ConfigError after it has stopped everything that it started.
 */
export async function startSession(
  commandLine: CommandLine,
  environment: Record<string, string | undefined>,
  log: Log,
  onStoreLost: () => void,
): Promise<Session> {
  const appDir = resolve(commandLine.appDir)
  const entryFiles = await findEntryFiles(appDir)
  const settings = await prepareSettings(commandLine.dataDir, environment, log)
  const leaseSeconds = readLeaseSeconds(environment)
  const server = await listen(commandLine.port)
  let store: Store | undefined
  try {
    const { dataDir } = commandLine
    store = await openStore({ dataDir, environment, log, onLost: onStoreLost })
    environment.AZURE_STORAGE_CONNECTION_STRING = store.connectionString
    environment.DB_PATH ||= chooseLocalDisk(dataDir)
    environment.AzureWebJobsStorage ||= store.connectionString
    environment.AZURE_FUNCTIONS_ENVIRONMENT ||= 'Development'
    environment.WEBSITE_HOSTNAME ||= `127.0.0.1:${server.port}`
    const { verbose, httpStreams } = commandLine
    const host = await startHost({
      ...{ appDir, entryFiles, server, environment, leaseSeconds, log, verbose, httpStreams },
    })
    return {
      baseUrl: `http://127.0.0.1:${server.port}`,
      functionCount: host.functionCount,
      dataLocation: store.location,
      adminKey: settings.ADMIN_KEY,
      stop: () => stop(host, store, log),
    }
  } catch (error) {
    await abandon(server, store)
    throw error
  }
}

/** Adds missing settings to the environment. Throws ConfigError that names every invalid setting. */
async function prepareSettings(dataDir: string | undefined, environment: Record<string, string | undefined>, log: Log) {
  if (environment.AZURE_STORAGE_ACCOUNT) {
    throw new HostError('The local host knows no managed identity: give AZURE_STORAGE_CONNECTION_STRING instead.')
  }
  const settings = await loadLocalSettings(dataDir, environment)
  Object.assign(environment, settings)
  const anyStore = azuriteConnectionString({ blob: 1, queue: 1, table: 1 })
  const { warnings } = parseConfig({
    ...environment,
    AZURE_STORAGE_CONNECTION_STRING: environment.AZURE_STORAGE_CONNECTION_STRING || anyStore,
  })
  for (const warning of new Set([...warnings, ...unknownSettings(settings)])) log('warning', warning)
  return settings
}

function readLeaseSeconds(environment: Record<string, string | undefined>): number {
  const text = environment.LOCAL_QUEUE_LEASE_SECONDS || LEASE_SECONDS
  const seconds = Number(text)
  if (!Number.isInteger(seconds) || seconds < 1) {
    throw new HostError('LOCAL_QUEUE_LEASE_SECONDS must be a whole number of seconds, at least 1.')
  }
  return seconds
}

async function stop(host: Host, store: Store | undefined, log: Log): Promise<boolean> {
  const drained = await finishesWithin(DRAIN_TIMEOUT_MS, host.stop())
  if (!drained) log('warning', 'Work in flight did not finish within 10 s and was cut off.')
  await store?.close()
  return drained
}

async function abandon(server: HttpServer, store: Store | undefined): Promise<void> {
  await Promise.all([server.close(), store?.close()])
}

async function finishesWithin(timeoutMs: number, work: Promise<void>): Promise<boolean> {
  const { promise: timeout, resolve: giveUp } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => giveUp(false), timeoutMs)
  try {
    return await Promise.race([work.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}
