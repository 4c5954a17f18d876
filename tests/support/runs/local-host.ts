import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { poll } from '../samples/poll.ts'

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))
const START_TIMEOUT_MS = 20_000

export type LocalHostOptions = {
  /** The folder of the app, whose package.json names the code in `main`. Default: the built bundle. */
  appDir?: string
  /** More arguments. Unless they say otherwise, the port is a free one and the store is in memory. */
  args?: readonly string[]
  /** The host's environment, besides PATH. */
  env?: Readonly<Record<string, string>>
  /** Runs the host in its own process group; `kill` signals the whole group, as Ctrl-C in a terminal does. */
  likeTerminal?: boolean
}

export type LocalHost = {
  pid: number
  /** Standard output and error so far. */
  output: () => string
  /** Resolves when the output matches; rejects after 20 seconds. */
  waitFor: (pattern: RegExp) => Promise<RegExpExecArray>
  kill: (signal: NodeJS.Signals) => void
  /** Resolves to the exit code, or to the signal that ended the process. */
  exited: Promise<number | NodeJS.Signals>
}

/** Spawns `node local/start.ts` without waiting for it. */
export function spawnLocalHost({ appDir, args = [], env = {}, likeTerminal = false }: LocalHostOptions): LocalHost {
  const app = appDir === undefined ? [] : ['--app', appDir]
  const port = args.includes('--port') ? [] : ['--port', '0']
  const memory = args.includes('--data') ? [] : ['--memory']
  const child = spawn(process.execPath, ['local/start.ts', ...app, ...port, ...memory, ...args], {
    cwd: REPOSITORY,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: likeTerminal,
  })
  return observe(child, (signal) => {
    const hasEnded = child.exitCode !== null || child.signalCode !== null
    if (likeTerminal && child.pid && !hasEnded) process.kill(-child.pid, signal)
    else child.kill(signal)
  })
}

/** Spawns the local host. Resolves when it serves; rejects with its output when it does not start. */
export async function startLocalHost(options: LocalHostOptions = {}): Promise<LocalHost & { baseUrl: string }> {
  const host = spawnLocalHost(options)
  const failed = host.exited.then((code) => {
    throw new Error(`The local host ended with ${code}:\n${host.output()}`)
  })
  const [, baseUrl = ''] = await Promise.race([host.waitFor(/runs at (http:\S+)[\s\S]*Ctrl-C stops/), failed])
  return { ...host, baseUrl }
}

function observe(child: ChildProcess, kill: LocalHost['kill']): LocalHost {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return {
    pid: child.pid ?? 0,
    output: () => text,
    waitFor: (pattern) => poll(() => pattern.exec(text) ?? undefined, START_TIMEOUT_MS),
    kill,
    // On 'close', unlike 'exit', the output is complete.
    exited: once(child, 'close').then(([code, signal]) => code ?? signal),
  }
}
