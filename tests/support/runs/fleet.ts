import { rm } from 'node:fs/promises'
import { type LocalHost, startLocalHost } from './local-host.ts'

type RunningHost = LocalHost & { readonly baseUrl: string; readonly disk: string | undefined }

/** Instances of the app, one process each, that are killed and restarted. */
export interface Fleet {
  /** A running host. Throws while there is none. */
  pick(draw: number): RunningHost
  /**
   * SIGKILLs a running host and starts another on its disk. `takesDisk` deletes the disk in between. Returns undefined,
   * and kills none, when at most one runs.
   */
  killOne(draw: number, takesDisk?: boolean): KilledHost | undefined
  kills(): number
  /** The running hosts. */
  hosts(): readonly RunningHost[]
  /** Shuts all hosts down gracefully. Resolves to their exit codes. */
  stop(): Promise<readonly (number | NodeJS.Signals)[]>
}

interface KilledHost {
  readonly host: RunningHost
  /** Resolves when the other host runs. */
  readonly back: Promise<void>
}

/** Each of the disks is the folder of one host's SQLite files; without them, all hosts share the default folder. */
export async function startFleet(
  size: number,
  env: Readonly<Record<string, string>>,
  disks: readonly string[] = [],
): Promise<Fleet> {
  const start = async (disk: string | undefined): Promise<RunningHost> => {
    const host = await startLocalHost({ env: disk === undefined ? env : { ...env, DB_PATH: disk }, args: ['--quiet'] })
    return { ...host, disk }
  }
  const running = await Promise.all(Array.from({ length: size }, (_, index) => start(disks[index])))
  const returning = new Set<Promise<void>>()
  let kills = 0

  const replace = async (host: RunningHost, takesDisk: boolean): Promise<void> => {
    host.kill('SIGKILL')
    await host.exited
    if (takesDisk && host.disk !== undefined) await rm(host.disk, { recursive: true, force: true })
    running.push(await start(host.disk))
  }

  return {
    pick: (draw) => {
      const host = running[Math.floor(draw * running.length)]
      if (host === undefined) throw new Error('No host serves.')
      return host
    },
    killOne: (draw, takesDisk = false) => {
      const [host] = running.length < 2 ? [] : running.splice(Math.floor(draw * running.length), 1)
      if (host === undefined) return undefined
      kills++
      const back = replace(host, takesDisk).finally(() => returning.delete(back))
      returning.add(back)
      return { host, back }
    },
    kills: () => kills,
    hosts: () => running,
    stop: async () => {
      await Promise.allSettled(returning)
      for (const host of running) host.kill('SIGTERM')
      return Promise.all(running.map((host) => host.exited))
    },
  }
}
