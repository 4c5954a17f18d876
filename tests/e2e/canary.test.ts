import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NewKeyView } from '../../shared/contracts/keys.ts'
import { type CallOptions, callApi, type Exchange } from '../support/requests/api-client.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { noFaults } from '../support/runs/fault-proxy.ts'
import { findSecrets, type Place } from '../support/runs/find-secrets.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { type StorageProxies, startStorageProxies } from '../support/runs/storage-proxies.ts'
import { countMessages, readFiles, readQueues, readTables } from '../support/runs/store-contents.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'
import { poll } from '../support/samples/poll.ts'

const settings = makeTestSettings()
/** A known text that travels like a secret but may be stored: proves that the search covers each place. */
const MARKER = 'canary-marker-4711'
const secrets = new Map<string, string>([['the admin key', settings.ADMIN_KEY]])
for (const pepper of settings.KEY_PEPPERS.split(',')) {
  const [version = '', base64 = ''] = pepper.split(':')
  secrets.set(`pepper ${version}`, base64)
  secrets.set(`pepper ${version} in hex`, Buffer.from(base64, 'base64').toString('hex'))
}

/** What is known of a person, whose key is erased before the search. */
const personal = new Map([
  ['the owner', 'ann.canary@example.com'],
  ['the name', 'phone-of-ann-canary'],
  ['the description', 'ann-at-home-canary'],
  ['the metadata', 'ann-metadata-canary'],
  ['the text of the revocation', 'ann-lost-it-canary'],
  ['the address', '198.51.100.77'],
  ['the address rules', '198.51.100.0/24'],
])

const transcript: Exchange[] = []
const places: Place[] = []
const hosts: LocalHost[] = []
let folder: string
let azurite: TestAzurite
let proxies: StorageProxies
let baseUrl: string

const call = (request: `${string} /${string}`, options: CallOptions = {}) =>
  callApi(baseUrl, request, { credential: settings.ADMIN_KEY, ...options }, transcript)

async function startHost(env: Readonly<Record<string, string>> = {}): Promise<LocalHost> {
  const host = await startLocalHost({
    args: ['--verbose', '--data', join(folder, 'data')],
    env: { ...settings, AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString, ...env },
  })
  baseUrl = host.baseUrl
  hosts.push(host)
  return host
}

async function stopHost(host: LocalHost): Promise<void> {
  host.kill('SIGTERM')
  await host.exited
}

async function keep(name: string, request: `${string} /${string}`, body: unknown, headers = {}) {
  const key = (await call(request, { body, headers })).as(NewKeyView)
  secrets.set(name, key.key ?? '')
  return { keyId: key.key_id, secret: key.key ?? '' }
}

const generate = (name: string, headers = {}) =>
  keep(name, 'POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: MARKER }, headers)

/** The calls of a correct client. */
async function useKeys(): Promise<string> {
  const { keyId, secret } = await generate('a key', { 'idempotency-key': 'once-only' })
  const body = { provider_id: 'acme', environment: 'live', name: MARKER }
  const replay = await call('POST /auth/keys/generate', { body, headers: { 'idempotency-key': 'once-only' } })
  expect(replay.as(NewKeyView)).toMatchObject({ key: null, key_id: keyId })
  const management = { kind: 'management', provider_id: 'acme', name: 'm', scopes: ['keys:validate'] }
  const manager = await keep('a management key', 'POST /auth/keys/generate', management)
  const rotated = await keep('a rotated key', `POST /auth/keys/${keyId}/rotate`, { grace_period_seconds: 60 })

  await call('POST /auth/keys/validate', { credential: manager.secret, body: { key: secret, endpoint: MARKER } })
  const requests = [{ key: secret, scopes: ['a'] }, { key: rotated.secret }, { key: `${secret}x` }]
  await call('POST /auth/keys/batch/validate', { body: { requests } })
  await call('POST /auth/keys/validate', { body: { key: secret }, headers: { 'cache-control': 'no-cache' } })
  await call('GET /auth/keys/me', { credential: secret })
  await call('GET /auth/keys?provider_id=acme&created_by=admin')
  await call(`PATCH /auth/keys/${keyId}`, { body: { description: MARKER } })
  const events = [{ key_id: keyId, endpoint: MARKER }]
  await call('POST /auth/keys/batch/usage?provider_id=acme', { body: { batch_id: 'batch-0001', events } })
  await call('POST /auth/keys/me/revoke', { credential: rotated.secret, body: {} })
  await call('GET /auth/keys/me', { credential: rotated.secret })
  await call('POST /auth/keys/validate', { body: { key: rotated.secret, client_ip: secret } })
  return keyId
}

/** A key of a person: made, used, revoked, used again, counted, and erased. */
async function useAndErase(): Promise<void> {
  const text = (name: string) => personal.get(name) ?? ''
  const { keyId, secret } = await keep('an erased key', 'POST /auth/keys/generate', {
    ...{ provider_id: 'acme', environment: 'live', name: text('the name'), description: text('the description') },
    ...{ owner_id: text('the owner'), metadata: { note: text('the metadata').repeat(50) } },
    ip_restrictions: [text('the address rules')],
  })
  const body = { key: secret, client_ip: text('the address') }
  await call('POST /auth/keys/validate', { body })
  await call(`POST /auth/keys/${keyId}/revoke`, { body: { text: text('the text of the revocation') } })
  await call('POST /auth/keys/validate', { body })
  const shown = async () => (await call(`GET /auth/keys/${keyId}/usage`)).text
  await poll(async () => /"REVOKED":1/.test(await shown()), 20_000)
  await runNow('usage-roll-up')
  await poll(
    async () => (await call('GET /auth/usage?provider_id=acme&group_by=owner')).text.includes(text('the owner')),
    20_000,
  )
  await call(`POST /auth/keys/${keyId}/erase`, { body: { confirm: keyId } })
  await runNow('usage-erase')
  await poll(async () => !(await shown()).includes(text('the address')), 20_000)
  await poll(
    async () => !(await call('GET /auth/usage?provider_id=acme&group_by=owner')).text.includes(text('the owner')),
    20_000,
  )
  await call('POST /auth/keys/validate', { body })
}

const runNow = (name: string) => call(`POST /admin/functions/${name}`, { body: { input: '' } })

/** Puts a key into every part of a request where it can land by mistake. */
async function misplace(keyId: string, secret: string): Promise<void> {
  const bodies: readonly (readonly [`${string} /${string}`, unknown])[] = [
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: secret }],
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: 'n', owner_id: `of ${secret}` }],
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: 'n', scopes: [secret] }],
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: 'n', metadata: { a: [secret] } }],
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: 'n', metadata: { [secret]: 1 } }],
    ['POST /auth/keys/generate', { provider_id: secret, environment: secret, name: 'n' }],
    ['POST /auth/keys/generate', { provider_id: 'acme', environment: 'live', name: 'n', [secret]: 1 }],
    [`PATCH /auth/keys/${keyId}`, { description: `the key is ${secret}` }],
    [`POST /auth/keys/${keyId}/revoke`, { text: secret }],
    [`POST /auth/keys/${keyId}/revoke`, { replaced_by: secret }],
    ['POST /auth/keys/validate', { key: secret, endpoint: `GET /?key=${secret}` }],
    ['POST /auth/keys/validate', { key: secret, tags: [secret], client_ip: secret }],
    ['POST /auth/keys/batch/usage?provider_id=acme', { events: [{ key_id: secret }, { [secret]: 1 }] }],
    ['POST /auth/keys/batch/usage?provider_id=acme', { events: [{ key_id: keyId, endpoint: secret, id: secret }] }],
    ['POST /auth/keys/batch/usage?provider_id=acme', { batch_id: secret, events: [{ key_id: keyId }] }],
    [`POST /auth/keys/${keyId}/revoke`, { cascade: true, cascade_cursor: secret }],
    ['PUT /auth/providers/acme', { [secret]: secret }],
  ]
  for (const [request, body] of bodies) await call(request, { body })
  await call('POST /auth/keys/validate', { rawBody: `{"key":"${secret}",` })
  await call('POST /auth/keys/batch/usage?provider_id=acme', {
    rawBody: `{"key_id":"${secret}"}\n"${secret}`,
    headers: { 'content-type': 'application/x-ndjson' },
  })
  const paths = [`/auth/keys/${secret}`, `/auth/keys/${secret}/usage`, `/auth/keys/batch/usage/${secret}`] as const
  for (const path of [...paths, `/auth/providers/${secret}`, `/nothing/${secret}`] as const) await call(`GET ${path}`)
  const queries = [`created_by=${secret}`, `key=${secret}`, `name=${secret}`, `cursor=${secret}`, `${secret}=1`]
  for (const query of queries) await call(`GET /auth/keys?provider_id=acme&${query}`)
  await call('GET /auth/keys', { credential: secret })
  await call('GET /auth/keys', { credential: '', headers: { authorization: `Bearer ${secret}` } })
  await call('GET /health', { headers: { 'x-request-id': secret, 'user-agent': secret } })
  await call('POST /auth/keys/generate', {
    body: { provider_id: 'acme', environment: 'live', name: '' },
    headers: { 'idempotency-key': secret },
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'canary-'))
  azurite = await startAzurite({ dataDir: join(folder, 'data', 'azurite') })
  proxies = await startStorageProxies(azurite, 1)

  // First without a queue consumer, so that the messages can be inspected.
  const producer = await startHost({ 'AzureWebJobs.usage-aggregate.Disabled': 'true' })
  const keyId = await useKeys()
  for (const secret of [...secrets.values()].filter((text) => text.startsWith('permas_'))) await misplace(keyId, secret)
  await call(`GET /auth/keys/${settings.ADMIN_KEY}`)
  await call(`GET /auth/keys?key=${settings.ADMIN_KEY}`)
  await call('POST /auth/keys/validate', { body: { key: settings.ADMIN_KEY } })
  await call('GET /health', { headers: { 'x-request-id': MARKER } })
  proxies.setRates({ ...noFaults, unavailable: 1 })
  await call('POST /auth/keys/validate', {
    body: { key: secrets.get('a key') },
    headers: { 'cache-control': 'no-cache' },
  })
  await call('GET /health/ready')
  proxies.setRates(noFaults)
  places.push(...(await readQueues(azurite.connectionString)))
  await stopHost(producer)

  const consumer = await startHost()
  await poll(async () => (await countMessages(azurite.connectionString)) === 0, 20_000)
  await call('POST /admin/functions/usage-roll-up', { body: { input: '' } })
  await poll(async () => (await call('GET /auth/usage?provider_id=acme')).text.includes(MARKER), 20_000)
  await call(`GET /auth/keys/${keyId}/usage`)
  await useAndErase()
  await call('GET /auth/usage/reconciliation')
  await call('GET /metrics')
  await stopHost(consumer)

  places.push(...(await readTables(azurite.connectionString)))
  await azurite.stop()
  places.push(...(await readFiles(join(folder, 'data'))))
  places.push(...hosts.map((host) => ({ name: 'the log of a host', content: host.output() })))
  const isSource = ({ call: request, status }: Exchange) =>
    /^POST \/auth\/keys\/(generate|\w+\/rotate)$/.test(request) && status === 201
  for (const exchange of transcript.filter((exchange) => !isSource(exchange))) {
    places.push({ name: `the reply to ${exchange.call.replace(/permas_\w+/g, '<key>')}`, content: exchange.reply })
  }
})

afterAll(async () => {
  for (const host of hosts) host.kill('SIGKILL')
  await proxies?.close()
  await azurite?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('after a run with known keys', () => {
  it('the search covers every kind of place: it finds a marker that travelled like a secret in each', () => {
    const found = findSecrets(new Map([['marker', MARKER]]), places)
    for (const kind of ['table', 'queue', 'file', 'the log', 'the reply']) {
      expect(found.filter((text) => text.startsWith(`marker in ${kind}`))).not.toEqual([])
    }
    expect([...secrets.keys()].filter((name) => name.includes('key'))).toHaveLength(5)
  })

  it('no table, no file of an instance and no log line holds anything of a person whose key was erased', () => {
    const files = places.filter(({ name }) => /^file .*auth-api-/.test(name))
    expect(files.length).toBeGreaterThan(0)
    const searched = [...files, ...places.filter(({ name }) => name.startsWith('table') || name.startsWith('the log'))]
    expect(findSecrets(personal, searched)).toEqual([])
  })

  it('no table, queue, blob, file, log line or reply but generate and rotate holds a secret', () => {
    expect(findSecrets(secrets, places)).toEqual([])
  })
})
