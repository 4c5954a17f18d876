import { expect, onTestFinished, test } from 'vitest'
import { openStores } from '../../../shared/app/open-stores.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { Meter } from '../../../shared/ports/meter.ts'
import { parseConfig } from '../../../shared/runtime/config.ts'
import { startSickServer } from '../../support/runs/sick-server.ts'
import { makeTestSettings } from '../../support/runs/test-settings.ts'
import { sampleDigest } from '../../support/samples/sample-keys.ts'

/** The adapters of the app over an account that answers 503, and the outcomes that their guards counted. */
async function sickStores() {
  const server = await startSickServer((_, response) => void response.writeHead(503).end())
  onTestFinished(server.stop)
  const endpoint = /TableEndpoint=([^;]+)/.exec(server.connectionString)?.[1] ?? ''
  const settings = {
    AZURE_STORAGE_CONNECTION_STRING: `${server.connectionString};QueueEndpoint=${endpoint}/sick`,
    MAX_RETRIES: '4',
    RETRY_BACKOFF_MS: '1',
  }
  const counted: string[] = []
  const meter: Meter = {
    count(_, labels) {
      if ('dependency' in labels && 'outcome' in labels) counted.push(`${labels.dependency} ${labels.outcome}`)
    },
    observe: () => undefined,
    watch: () => undefined,
  }
  const stores = openStores(parseConfig({ ...makeTestSettings(), ...settings }), meter, { now: () => new Date() })
  return { stores, counted, requests: server.requests }
}

type Stores = Awaited<ReturnType<typeof sickStores>>['stores']

const message = { id: '1', receipt: '1', body: '', dequeueCount: 1, expiresAt: null }
const scope = oneProvider('acme')
const sampleLimit = { subject: 'key:k', name: 'burst', limit: 1, window: { kind: 'sliding', seconds: 1 } } as const
const classes: readonly (readonly [string, number, (stores: Stores) => Promise<unknown>])[] = [
  ['tables_lookup', 2, ({ hot }) => hot.keys.findByDigest(everyProvider, sampleDigest())],
  ['tables_lookup', 2, ({ hot }) => hot.providers.find(scope)],
  ['tables_limits', 2, ({ hot }) => hot.limits.read(sampleLimit)],
  ['tables_revocation', 3, ({ hot }) => hot.feed.read(new Date(0), new Date(0))],
  ['tables_revocation', 3, ({ feed }) => feed.append({ kind: 'provider', providerId: 'acme' }, new Date(0))],
  ['tables_revocation', 3, ({ ending }) => ending.keys.findById(scope, 'k')],
  ['tables_revocation', 3, ({ ending }) => ending.providers.find(scope)],
  ['tables_background', 5, ({ pushing }) => pushing.keys.findById(scope, 'k')],
  ['tables_background', 5, ({ pushing }) => pushing.pushes.find(scope, 'b')],
  ['tables_management', 3, ({ providers }) => providers.find(scope)],
  ['tables_management', 3, ({ keys }) => keys.page(scope, { limit: 1, after: null })],
  ['tables_background', 5, ({ ledger }) => ledger.readMeta({ day: '20261122', shard: '00' })],
  ['queue_usage', 2, ({ queue }) => queue.send('x')],
  ['queue_revocation', 3, ({ keyEvents }) => keyEvents.send('x')],
  ['queue_background', 5, ({ pushing }) => pushing.queue.send('x')],
  ['queue_background', 5, ({ poison }) => poison.send('x')],
  ['queue_background', 5, ({ queue }) => queue.receive(1, 1)],
  ['queue_background', 5, ({ queue }) => queue.remove(message)],
  ['queue_background', 5, ({ queue }) => queue.depth()],
]

test.each(classes)(
  '%s gives up a broken store after %i attempts, none of them the SDK’s own',
  async (name, attempts, ask) => {
    const { stores, counted, requests } = await sickStores()
    await expect(ask(stores)).rejects.toMatchObject({ code: expect.stringMatching(/^(store|usage)_unavailable$/) })
    expect(requests()).toBe(attempts)
    expect(counted).toEqual([...new Array(attempts - 1).fill(`${name} transient`), `${name} exhausted`])
  },
)
