import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NewKeyView } from '../../shared/contracts/keys.ts'
import { ValidationView } from '../../shared/contracts/validate.ts'
import { generateSecret } from '../../shared/domain/keys/key-format.ts'
import { callApi } from '../support/requests/api-client.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { type LocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'

const settings = makeTestSettings()
const credential = settings.ADMIN_KEY
const CUSTOMERS = 20

let azurite: TestAzurite
const hosts: (LocalHost & { baseUrl: string })[] = []

async function startHost() {
  const host = await startLocalHost({
    args: ['--quiet'],
    env: { ...settings, AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString },
  })
  hosts.push(host)
  return host.baseUrl
}

beforeAll(async () => {
  azurite = await startAzurite()
})

afterAll(async () => {
  for (const host of hosts) host.kill('SIGTERM')
  await Promise.all(hosts.map(({ exited }) => exited))
  await azurite?.stop()
})

const validate = (baseUrl: string, secret: string) =>
  callApi(baseUrl, 'POST /auth/keys/validate', { credential, body: { key: secret } })

test('700 junk keys, then 12 a second: a new instance gives 20 of 20 good keys their verdict', async () => {
  const first = await startHost()
  const body = { provider_id: 'acme', environment: 'live', name: 'web shop' }
  const customers = await Promise.all(
    Array.from({ length: CUSTOMERS }, async () => {
      const reply = await callApi(first, 'POST /auth/keys/generate', { credential, body })
      return reply.as(NewKeyView).key ?? ''
    }),
  )
  await Promise.all(Array.from({ length: 700 }, () => validate(first, generateSecret('live', randomBytes))))
  const fresh = await startHost()
  const attack = setInterval(() => {
    void validate(fresh, generateSecret('live', randomBytes)).catch(() => undefined)
  }, 1000 / 12)
  const verdicts: string[] = []
  for (const secret of customers) {
    const reply = await validate(fresh, secret)
    verdicts.push(reply.status === 200 ? reply.as(ValidationView).code : reply.text)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  clearInterval(attack)
  expect(verdicts).toEqual(customers.map(() => 'VALID'))
}, 60_000)
