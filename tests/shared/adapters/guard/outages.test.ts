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

/** As a validation has it, but for a breaker that closes sooner. */
const policy = { tryMs: 400, totalMs: 800, retries: 1, firstDelayMs: 50, openMs: 2000, concurrency: 50 }

type Ask = () => Promise<unknown>

/** Something that is kept behind a proxy and asked through a guard. */
interface Sick {
  readonly code: string
  readonly portOf: (azurite: TestAzurite) => number
  readonly open: (port: number, guard: Guard) => Ask
}

const dependencies: Readonly<Record<string, Sick>> = {
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

/** Its end is bound by the test's own context: of tests that run side by side, no other may be mistaken for it. */
async function sick({ portOf, open }: Sick, { onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const proxy = await startFaultProxy({ targetPort: portOf(azurite), nameOf: () => 'request' })
  onTestFinished(proxy.close)
  const guard = openGuard({ name: 'sick', policy })
  return { proxy, guard, ask: open(proxy.port, guard) }
}

const cases = Object.keys(dependencies).flatMap((name) => outages.map((outage) => [name, outage] as const))

describe.concurrent('an outage', () => {
  test.for(cases)(
    'of %s (%s) costs a caller two tries, then none, and is over when it is over',
    async ([name, outage], context) => {
      const dependency = dependencies[name]
      if (dependency === undefined) throw new Error('no such dependency')
      const { proxy, guard, ask } = await sick(dependency, context)
      await ask()
      await proxy.setOutage(outage)
      await expect(ask()).rejects.toMatchObject({ code: dependency.code })
      expect(proxy.broken()).toBeLessThanOrEqual(2)

      await Promise.allSettled(Array.from({ length: 40 }, ask))
      expect(guard.state()).toBe('open')
      const broken = proxy.broken()
      const spared = await Promise.allSettled([ask(), ask(), ask()])
      for (const result of spared) expect(result).toMatchObject({ reason: { code: dependency.code } })
      expect(proxy.broken()).toBe(broken)

      await proxy.setOutage(null)
      await poll(async () => {
        await ask().catch(() => undefined)
        return guard.state() === 'closed'
      })
      await ask()
    },
  )
})
