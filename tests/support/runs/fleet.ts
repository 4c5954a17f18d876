import { type LocalHost, startLocalHost } from './local-host.ts'

type RunningHost = LocalHost & { readonly baseUrl: string }

/** Instances of the app, each a process of its own, that die and come back. */
export interface Fleet {
  /** A host that serves; throws while none does. */
  pick(draw: number): RunningHost
  /** SIGKILLs one of those that serve, and starts another in its place. Undefined when none can be spared. */
  killOne(draw: number): Promise<void> | undefined
  kills(): number
  /** Those that serve now. */
  hosts(): readonly RunningHost[]
  /** Lets all of them finish their work; resolves to their exit codes. */
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
