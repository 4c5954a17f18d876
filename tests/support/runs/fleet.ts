import { type LocalHost, startLocalHost } from './local-host.ts'

type RunningHost = LocalHost & { readonly baseUrl: string }

/** Instances of the app, one process each, that are killed and restarted. */
export interface Fleet {
  /** A running host. Throws while there is none. */
  pick(draw: number): RunningHost
  /** SIGKILLs a running host and starts another. Returns undefined, and kills none, when at most one runs. */
  killOne(draw: number): Promise<void> | undefined
  kills(): number
  /** The running hosts. */
  hosts(): readonly RunningHost[]
  /** Shuts all hosts down gracefully. Resolves to their exit codes. */
  stop(): Promise<readonly (number | NodeJS.Signals)[]>
}

export async function startFleet(size: number, env: Readonly<Record<string, string>>): Promise<Fleet> {
  const running = await Promise.all(Array.from({ length: size }, () => startLocalHost({ env, args: ['--quiet'] })))
  const returning = new Set<Promise<void>>()
  let kills = 0

  const replace = async (host: RunningHost): Promise<void> => {
    host.kill('SIGKILL')
    await host.exited
    running.push(await startLocalHost({ env, args: ['--quiet'] }))
  }

  return {
    pick: (draw) => {
      const host = running[Math.floor(draw * running.length)]
      if (host === undefined) throw new Error('No host serves.')
      return host
    },
    killOne: (draw) => {
      const [host] = running.length < 2 ? [] : running.splice(Math.floor(draw * running.length), 1)
      if (host === undefined) return undefined
      kills++
      const back = replace(host).finally(() => returning.delete(back))
      returning.add(back)
      return back
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
