import { oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import type { PushedEvent, PushedItem } from '../../../shared/domain/usage/push.ts'
import { pushUsage } from '../../../shared/operations/usage/push-usage.ts'
import { readKeyUsage } from '../../../shared/operations/usage/read-key-usage.ts'
import { rest } from '../memory/manual-time.ts'
import type { UsageReportingWorld } from './usage-reporting-world.ts'

type Needs = Parameters<typeof pushUsage>[0]

export const acme = oneProvider('acme')
export const batchId = 'orders-2026-11-22'

export function push(events: readonly Partial<PushedEvent>[], body = JSON.stringify(events)) {
  const items = events.map((change, index): PushedItem => {
    const event = {
      keyId: '',
      at: null,
      outcome: 'VALID',
      endpoint: '',
      statusClass: '2xx',
      count: 1,
      id: null,
    } as const
    return { kind: 'event', index, event: { ...event, ...change } }
  })
  return { batchId, body, items }
}

/** Drains the queue and rolls up, and returns how many uses of the key reports show. */
export async function usesOf(world: UsageReportingWorld, keyId: string): Promise<number> {
  await world.consumer.drain()
  await world.rollUp()
  const request = { from: null, to: null, granularity: 'day' } as const
  return (await readKeyUsage(world, acme, keyId, request)).totals.total
}

/** The world of a process that dies at its k-th call to the store or the queue: before the call, or after it. */
export function dyingAt(world: UsageReportingWorld, fatalCall: number, carriedOut: boolean): Needs {
  let calls = 0
  const mortal = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
        return (...args: readonly unknown[]) => die(++calls, () => method.apply(target, [...args]))
      },
    })
  const die = async (call: number, work: () => Promise<unknown>): Promise<unknown> => {
    if (call < fatalCall) return work()
    if (call === fatalCall && carriedOut) await work()
    throw new Error('the process is dead')
  }
  const { pushes, eventIds, queue, keys } = world
  return { ...world, pushes: mortal(pushes), eventIds: mortal(eventIds), queue: mortal(queue), keys: mortal(keys) }
}

/** The same world, in which every call to the store takes up to five turns of the event loop. */
export function slowed(world: UsageReportingWorld, random: () => number): Needs {
  const slow = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...args: readonly unknown[]) => Promise<unknown>
        return async (...args: readonly unknown[]) => {
          for (let turns = Math.floor(random() * 5); turns > 0; turns--) await rest()
          const result = await method.apply(target, [...args])
          for (let turns = Math.floor(random() * 5); turns > 0; turns--) await rest()
          return result
        }
      },
    })
  return { ...world, pushes: slow(world.pushes), eventIds: slow(world.eventIds) }
}

/** Pushes a batch again and again while others have its ids under way. */
export async function untilAccepted(world: Needs, given: ReturnType<typeof push>) {
  for (let tries = 0; tries < 50; tries++) {
    try {
      return await pushUsage(world, acme, given)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'usage_unavailable') throw error
    }
    for (let turns = 0; turns < 5; turns++) await rest()
  }
  throw new Error('never accepted')
}
