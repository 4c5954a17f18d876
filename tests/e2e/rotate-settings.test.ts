import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tablePepperStore } from '../../shared/adapters/tables/pepper-store.ts'
import { tableAccess } from '../../shared/adapters/tables/table-access.ts'
import { ReadinessView } from '../../shared/contracts/health.ts'
import { KeyPage, NewKeyView } from '../../shared/contracts/keys.ts'
import { ValidationView } from '../../shared/contracts/validate.ts'
import { callApi, type Reply } from '../support/requests/api-client.ts'
import { callWithRetries } from '../support/requests/call-with-retries.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { poll } from '../support/samples/poll.ts'

/** The runbooks "Rotate a pepper" and "Rotate the admin key" of docs/operations.md, step by step, under load. */

type Host = LocalHost & { readonly baseUrl: string }
type Settings = Readonly<Record<'KEY_PEPPERS' | 'ADMIN_KEY' | 'ADMIN_KEY_PREVIOUS', string>>

const [p1, p2] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('base64'))
const [oldAdminKey, newAdminKey] = ['old', 'new'].map((name) => `${name}-${randomBytes(32).toString('base64url')}`)
const HOSTS = 3
const CALLERS = 4

let azurite: TestAzurite
let hosts: Host[] = []
const ending: Promise<unknown>[] = []

const start = (settings: Settings) =>
  startLocalHost({
    args: ['--quiet'],
    env: {
      ...{ ...settings, USAGE_DURABILITY: 'strict', DB_FALLBACK: 'false' },
      AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    },
  })

beforeAll(async () => {
  azurite = await startAzurite()
})

afterAll(async () => {
  for (const host of hosts) host.kill('SIGTERM')
  await Promise.all([...hosts.map(({ exited }) => exited), ...ending])
  await azurite?.stop()
})

/** Replaces host after host, as a platform does: the new one is ready before the old one gets no more calls. */
async function rollOut(settings: Settings): Promise<void> {
  for (let place = 0; place < HOSTS; place++) {
    const host = await start(settings)
    expect((await callApi(host.baseUrl, 'GET /health/ready')).status).toBe(200)
    const old = hosts[place]
    hosts = [...hosts.slice(0, place), host, ...hosts.slice(place + 1)]
    if (old === undefined) continue
    // Calls in flight have ended long before.
    await new Promise((resolve) => setTimeout(resolve, 500))
    old.kill('SIGTERM')
    ending.push(old.exited)
  }
}

const anyOf = <T>(items: readonly T[]): T => {
  const item = items[Math.floor(Math.random() * items.length)]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}

/** Calls until it is stopped, as a client does, which waits and retries a 503. Every call must succeed, with every admin key that is valid by now. */
function startLoad(secrets: string[], adminKeys: () => readonly string[]) {
  const failures: string[] = []
  let [isStopped, calls] = [false, 0]

  async function send(call: `${string} /${string}`, body: unknown, statuses: readonly number[]): Promise<Reply> {
    const options = { credential: anyOf(adminKeys()), ...(body ? { body } : {}) }
    const { reply } = await callWithRetries(anyOf(hosts).baseUrl, call, options)
    calls++
    if (!statuses.includes(reply.status)) failures.push(`${call}: ${reply.status} ${reply.text}`)
    return reply
  }

  async function validate(secret: string): Promise<void> {
    const reply = await send('POST /auth/keys/validate', { key: secret }, [200])
    if (reply.status === 200 && reply.as(ValidationView).code !== 'VALID') failures.push(`validate: ${reply.text}`)
  }

  /** A page begun at one host and continued at another. */
  async function list(): Promise<void> {
    const reply = await send('GET /auth/keys?provider_id=acme&limit=1', undefined, [200])
    const cursor = reply.status === 200 ? reply.as(KeyPage).next_cursor : null
    if (cursor === null) return
    await send(`GET /auth/keys?provider_id=acme&limit=1&cursor=${cursor}`, undefined, [200])
  }

  async function run(): Promise<void> {
    for (let round = 0; !isStopped; round++) {
      if (round % 20 === 0) secrets.push(await generate(anyOf(hosts), anyOf(adminKeys())))
      if (round % 10 === 5) await list()
      await validate(anyOf(secrets))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  const running = Promise.all(Array.from({ length: CALLERS }, run))
  return {
    failures,
    calls: () => calls,
    /** Validates every key at every host. */
    async everyKey(): Promise<void> {
      for (const secret of [...secrets]) await validate(secret)
    },
    async stop(): Promise<void> {
      isStopped = true
      await running
    },
  }
}

async function generate(host: Host, credential: string): Promise<string> {
  const body = { provider_id: 'acme', environment: 'live', name: 'web shop' }
  const reply = await callApi(host.baseUrl, 'POST /auth/keys/generate', { credential, body })
  expect(reply.status).toBe(201)
  return reply.as(NewKeyView).key ?? ''
}

/** Live keys by pepper, once a count that begins now fulfils the condition. */
function countedUntil(fulfils: (keys: Readonly<Record<string, number>>) => boolean) {
  const store = tablePepperStore(tableAccess({ connectionString: azurite.connectionString }))
  return poll(async () => {
    await callApi(anyOf(hosts).baseUrl, 'POST /admin/functions/keys-count-peppers', { body: { input: '' } })
    const keys = (await store.find())?.value.counted?.keys ?? {}
    return fulfils(keys) && keys
  }, 30_000)
}

test('a pepper and the admin key are rotated on three hosts: no call fails, and no key is lost', async () => {
  if (oldAdminKey === undefined || newAdminKey === undefined) throw new Error('two admin keys')
  await rollOut({ KEY_PEPPERS: `p1:${p1}`, ADMIN_KEY: oldAdminKey, ADMIN_KEY_PREVIOUS: '' })
  const [host] = hosts
  if (host === undefined) throw new Error('no host')
  const secrets = await Promise.all(Array.from({ length: 10 }, () => generate(host, oldAdminKey)))
  const idle = await generate(host, oldAdminKey)
  let adminKeys = [oldAdminKey]
  const load = startLoad(secrets, () => adminKeys)

  // Step 1: every instance accepts the new pepper and the new admin key.
  await rollOut({ KEY_PEPPERS: `p2?:${p2},p1:${p1}`, ADMIN_KEY: newAdminKey, ADMIN_KEY_PREVIOUS: oldAdminKey })
  adminKeys = [oldAdminKey, newAdminKey]
  // Step 2: new keys are hashed with it, and older keys when they are used.
  await rollOut({ KEY_PEPPERS: `p2:${p2},p1:${p1}`, ADMIN_KEY: newAdminKey, ADMIN_KEY_PREVIOUS: oldAdminKey })
  adminKeys = [newAdminKey]
  // Step 3: wait until no live key needs the old one. A start without it is refused until then.
  await load.everyKey()
  expect((await countedUntil(({ p1: left }) => left === 1)).p2).toBeGreaterThanOrEqual(10)
  const early = await start({ KEY_PEPPERS: `p2:${p2}`, ADMIN_KEY: newAdminKey, ADMIN_KEY_PREVIOUS: '' })
  const readiness = (await callApi(early.baseUrl, 'GET /health/ready')).as(ReadinessView)
  expect(readiness).toMatchObject({
    status: 'misconfigured',
    wrong: ['settings'],
    settings: [expect.stringContaining('KEY_PEPPERS lacks p1, under which 1 live keys')],
  })
  const refused = await callApi(early.baseUrl, 'GET /auth/keys?provider_id=acme', { credential: newAdminKey })
  expect([refused.status, JSON.parse(refused.text).code]).toEqual([503, 'misconfigured'])
  early.kill('SIGTERM')
  ending.push(early.exited)
  secrets.push(idle)
  await load.everyKey()
  await countedUntil(({ p1: left = 0 }) => left === 0)
  // Step 4: drop the old pepper and the old admin key.
  await rollOut({ KEY_PEPPERS: `p2:${p2}`, ADMIN_KEY: newAdminKey, ADMIN_KEY_PREVIOUS: '' })
  await load.everyKey()
  await load.stop()
  const metrics = await callApi(anyOf(hosts).baseUrl, 'GET /metrics', { credential: newAdminKey })
  expect(metrics.text).toMatch(/^auth_api_keys_by_pepper\{.*pepper="p2".*\} \d+$/m)

  expect(load.failures).toEqual([])
  expect(load.calls()).toBeGreaterThan(200)
  const stale = await callApi(hosts[0]?.baseUrl ?? '', 'GET /auth/keys?provider_id=acme', { credential: oldAdminKey })
  expect(stale.status).toBe(401)
}, 120_000)
