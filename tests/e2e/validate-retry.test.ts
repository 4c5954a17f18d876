import { afterAll, beforeAll, expect, test } from 'vitest'
import { NewKeyView } from '../../shared/contracts/keys.ts'
import { KeyUsageView } from '../../shared/contracts/usage.ts'
import { ValidationView } from '../../shared/contracts/validate.ts'
import { type CallOptions, callApi } from '../support/requests/api-client.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'
import { poll } from '../support/samples/poll.ts'

const settings = makeTestSettings()
const RETRIES = 20
const LIMIT = 1000

let azurite: TestAzurite
let hosts: readonly (LocalHost & { baseUrl: string })[]

const call = (host: number, request: `${string} /${string}`, options: CallOptions = {}) =>
  callApi(hosts[host % hosts.length]?.baseUrl ?? '', request, { credential: settings.ADMIN_KEY, ...options })

beforeAll(async () => {
  azurite = await startAzurite()
  const env = { ...settings, AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString }
  hosts = await Promise.all([startLocalHost({ env }), startLocalHost({ env })])
})

afterAll(async () => {
  for (const host of hosts ?? []) host.kill('SIGTERM')
  await Promise.all((hosts ?? []).map(({ exited }) => exited))
  await azurite?.stop()
})

test('validations whose replies were lost are retried on another instance: each is one use and one token', async () => {
  const made = await call(0, 'POST /auth/keys/generate', {
    body: {
      ...{ provider_id: 'acme', environment: 'live', name: 'shop' },
      quota: { limit: LIMIT, period: 'month' },
    },
  })
  const { key, key_id } = made.as(NewKeyView)

  /** Sends one validation and hangs up without reading the reply, then retries it elsewhere until it is answered. */
  async function validateTwice(use: number): Promise<boolean> {
    const options = { body: { key }, headers: { 'idempotency-key': `use-${use}` } }
    const aborted = call(use, 'POST /auth/keys/validate', { ...options, signal: AbortSignal.timeout(use % 4) })
    await aborted.catch(() => undefined)
    return poll(async () => {
      const retry = await call(use + 1, 'POST /auth/keys/validate', options)
      return retry.status === 200 && retry.as(ValidationView).valid
    }, 20_000)
  }

  for (let use = 0; use < RETRIES; use++) expect(await validateTwice(use)).toBe(true)
  const usage = await poll(async () => {
    const read = (await call(0, `GET /auth/keys/${key_id}/usage`)).as(KeyUsageView)
    return read.totals.total >= RETRIES && read
  }, 20_000)
  expect(usage.totals).toMatchObject({ total: RETRIES, valid: RETRIES })

  const other = { body: { key, cost: 2 }, headers: { 'idempotency-key': 'use-0' } }
  expect((await call(1, 'POST /auth/keys/validate', other)).status).toBe(409)
})
