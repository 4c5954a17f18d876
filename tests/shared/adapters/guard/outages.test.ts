import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { azuriteConnectionString } from '../../../../local/storage/azurite.ts'
import { type Guard, openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { storageMessageQueue } from '../../../../shared/adapters/message-queue.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { startFaultProxy } from '../../../support/runs/fault-proxy.ts'
import { outages } from '../../../support/runs/outage.ts'
import { poll } from '../../../support/samples/poll.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

/** The policy of a validation, with a breaker that closes sooner. */
const policy = { attemptMs: 400, deadlineMs: 800, retries: 1, backoffMs: 50, openMs: 2000, concurrency: 50 }

type Send = () => Promise<unknown>

/** A dependency behind a fault proxy and a guard. */
interface Dependency {
  readonly code: string
  readonly portOf: (azurite: TestAzurite) => number
  readonly open: (port: number, guard: Guard) => Send
}

const dependencies: Readonly<Record<string, Dependency>> = {
  tables: {
    code: 'store_unavailable',
    portOf: ({ tablePort }) => tablePort,
    open(port, guard) {
      const connectionString = azuriteConnectionString({ blob: 1, queue: 1, table: port })
      const table = tableAccess({ connectionString, guard }).table('things')
      return () => table.get('p', 'r')
    },
  },
  queue: {
    code: 'usage_unavailable',
    portOf: ({ queuePort }) => queuePort,
    open(port, guard) {
      const connectionString = azuriteConnectionString({ blob: 1, queue: port, table: 1 })
      const queue = storageMessageQueue({ connectionString, name: 'things', guards: { send: guard, rest: guard } })
      return () => queue.send('x')
    },
  },
}

/** Bound to the context of its test, as concurrent tests share the global `onTestFinished`. */
async function faulty({ portOf, open }: Dependency, { onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const proxy = await startFaultProxy({ targetPort: portOf(azurite), nameOf: () => 'request' })
  onTestFinished(proxy.close)
  const guard = openGuard({ name: 'faulty', policy })
  return { proxy, guard, send: open(proxy.port, guard) }
}

const cases = Object.keys(dependencies).flatMap((name) => outages.map((outage) => [name, outage] as const))

describe.concurrent('an outage', () => {
  test.for(cases)(
    'of %s (%s) costs a caller two attempts, then none, and calls succeed again once it has ended',
    async ([name, outage], context) => {
      const dependency = dependencies[name]
      if (dependency === undefined) throw new Error('no such dependency')
      const { proxy, guard, send } = await faulty(dependency, context)
      await send()
      await proxy.setOutage(outage)
      await expect(send()).rejects.toMatchObject({ code: dependency.code })
      expect(proxy.broken()).toBeLessThanOrEqual(2)

      await Promise.allSettled(Array.from({ length: 40 }, send))
      expect(guard.state()).toBe('open')
      const broken = proxy.broken()
      const rejected = await Promise.allSettled([send(), send(), send()])
      for (const result of rejected) expect(result).toMatchObject({ reason: { code: dependency.code } })
      expect(proxy.broken()).toBe(broken)

      await proxy.setOutage(null)
      await poll(async () => {
        await send().catch(() => undefined)
        return guard.state() === 'closed'
      })
      await send()
    },
  )
})
