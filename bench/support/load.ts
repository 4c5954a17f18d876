import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const COUNTED_SHARE = 0.8

/** Requests that are sent over and over: one path, the bodies in turn, over connections that are kept. */
export interface LoadJob {
  /** With a port; no TLS. */
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodies: readonly string[]
  /** Each sends its next request when it has the reply to the last one. */
  readonly connections: number
  /** Of this only the last `COUNTED_SHARE` is counted; what comes before warms up. */
  readonly durationMs: number
}

export interface LoadReport {
  readonly replies: number
  readonly perSecond: number
  /** Replies by their status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Connections that broke; each was opened again. */
  readonly broken: number
  /** From the request to the whole reply. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Sends the load from a process of its own, pinned to the last core where the machine can do that. */
export async function sendLoad(job: LoadJob): Promise<LoadReport> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'processes/send-load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  if (child.pid !== undefined) pinToCore(child.pid, 1)
  const ended = once(child, 'close')
  child.stdin.end(JSON.stringify(job))
  const output = await text(child.stdout)
  const [code] = await ended
  if (code !== 0) throw new Error(`The load generator ended with ${code}.`)
  return JSON.parse(output)
}

/** Where there is `taskset`; elsewhere the system places processes as it likes. */
export function pinToCore(pid: number, core: number): void {
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    // A figure is then a little worse, not wrong.
  }
}
