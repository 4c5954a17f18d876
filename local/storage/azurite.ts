import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { HostError } from '../errors.ts'
import type { Log } from '../log.ts'

/** 0 picks any free port. */
export type AzuritePorts = { blob: number; queue: number; table: number }

export type AzuriteOptions = {
  /** The data folder; without one the data are in memory and lost with the process. */
  location?: string
  ports: AzuritePorts
  log: Log
  /** Restarts in a row before Azurite is given up; 5 by default. */
  restartsMax?: number
  /** Called once when Azurite died and could not be restarted. */
  onLost?: () => void
}

export type Azurite = {
  connectionString: string
  ports: AzuritePorts
  /** The id of the current process; changes at a restart. */
  pid: () => number
  /** Stops the process, which writes its data first; never rejects. */
  stop: () => Promise<void>
}

const SERVICES = ['blob', 'queue', 'table'] as const
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
const FIRST_BACKOFF_MS = 100
/** A process that lived longer than this was healthy: its death resets the count of restarts. */
const HEALTHY_AFTER_MS = 60_000

// The account of every emulator of Azure Storage; its key is public: https://aka.ms/azurite
const ACCOUNT = 'devstoreaccount1'
const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Uses the address, never the name `localhost`, which the tables SDK takes for the Cosmos DB emulator. */
export function azuriteConnectionString(ports: AzuritePorts): string {
  const endpoint = (port: number) => `http://127.0.0.1:${port}/${ACCOUNT}`
  return [
    'DefaultEndpointsProtocol=http',
    `AccountName=${ACCOUNT}`,
    `AccountKey=${ACCOUNT_KEY}`,
    `BlobEndpoint=${endpoint(ports.blob)}`,
    `QueueEndpoint=${endpoint(ports.queue)}`,
    `TableEndpoint=${endpoint(ports.table)}`,
    '',
  ].join(';')
}

/**
 * Starts Azurite, the emulator of Azure Storage, as a child process on 127.0.0.1 and resolves when all its services
 * listen. Restarts it on the same ports when it dies.
 * Throws HostError when it cannot start.
 */
export async function startAzurite(options: AzuriteOptions): Promise<Azurite> {
  let { child, ports } = await launch(options, options.ports)
  let stopping = false
  let restarts = 0
  const { restartsMax = 5 } = options

  const watch = (process: ChildProcess, startedAtMs: number) =>
    process.once('exit', (code, signal) => {
      if (stopping) return
      if (Date.now() - startedAtMs > HEALTHY_AFTER_MS) restarts = 0
      const loss = options.location === undefined ? ' What it held in memory is gone.' : ''
      options.log('warning', `Azurite died (${signal ?? `code ${code}`}); starting it again.${loss}`)
      void restart()
    })

  const restart = async (): Promise<void> => {
    while (restarts < restartsMax) {
      await setTimeout(FIRST_BACKOFF_MS * 2 ** restarts++)
      if (stopping) return
      try {
        child = (await launch(options, ports)).child
        return await adopt()
      } catch (error) {
        options.log('error', String(error))
      }
    }
    options.onLost?.()
  }

  const adopt = async () => {
    if (stopping) await end(child)
    else watch(child, Date.now())
  }

  watch(child, Date.now())
  return {
    connectionString: azuriteConnectionString(ports),
    ports,
    pid: () => child.pid ?? 0,
    stop: async () => {
      stopping = true
      await end(child)
    },
  }
}

async function launch(
  options: AzuriteOptions,
  requestedPorts: AzuritePorts,
): Promise<{ child: ChildProcess; ports: AzuritePorts }> {
  const child = spawn(process.execPath, nodeArguments(options, requestedPorts), {
    // A process group of its own: a Ctrl-C in the terminal must not stop the store while work is in flight.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new HostError('Azurite could not start: its process has no output.')
  const errorOutput: string[] = []
  stderr.on('data', (chunk: Buffer) => errorOutput.push(chunk.toString()))
  const ports = await killIfSlow(child, START_TIMEOUT_MS, readPorts(stdout))
  if (!ports) throw new HostError(`Azurite could not start: ${firstLine(errorOutput.join(''))}`)
  return { child, ports }
}

/** Resolves when the last service reports that it listens; to undefined when the process exits first. */
async function readPorts(stdout: Readable): Promise<AzuritePorts | undefined> {
  const ports: Partial<AzuritePorts> = {}
  for await (const line of createInterface({ input: stdout })) {
    const service = SERVICES.find((name) => line.toLowerCase().startsWith(`azurite ${name} service is successfully`))
    if (service) ports[service] = Number(line.slice(line.lastIndexOf(':') + 1))
    const { blob, queue, table } = ports
    if (blob && queue && table) {
      stdout.resume()
      return { blob, queue, table }
    }
  }
  return undefined
}

function nodeArguments({ location }: AzuriteOptions, ports: AzuritePorts): string[] {
  const main = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js')
  return [
    '--import',
    // A URL: Node would read a path with # or ? in it as one.
    new URL('./azurite-preload.ts', import.meta.url).href,
    main,
    ...SERVICES.flatMap((name) => [`--${name}Host`, '127.0.0.1', `--${name}Port`, String(ports[name])]),
    ...(location === undefined ? ['--inMemoryPersistence'] : ['--location', location]),
    '--skipApiVersionCheck',
    '--disableTelemetry',
    '--silent',
  ]
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await killIfSlow(child, STOP_TIMEOUT_MS, exited)
}

async function killIfSlow<T>(child: ChildProcess, timeoutMs: number, work: Promise<T>): Promise<T> {
  const timer = globalThis.setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '') ?? 'it ended without a word'
}
