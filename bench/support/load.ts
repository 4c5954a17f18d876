import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const COUNTED_SHARE = 0.8

/** Requests sent in a loop: one path, the bodies in turn, over keep-alive connections. */
export interface LoadJob {
  /** Includes a port; no TLS. */
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodies: readonly string[]
  /** Each sends its next request after the reply to the previous one. */
  readonly connections: number
  /** Only the last `COUNTED_SHARE` is counted; the time before warms up. */
  readonly durationMs: number
}

export interface LoadReport {
  readonly replies: number
  readonly perSecond: number
  /** Replies by their status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Connections that broke and were reopened. */
  readonly broken: number
  /** From the request to the end of the reply. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Sends the load from a separate process, pinned to the last core where possible. */
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

/** Needs `taskset`; does nothing without it. */
export function pinToCore(pid: number, core: number): void {
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    // The figure is then less precise, not wrong.
  }
}
