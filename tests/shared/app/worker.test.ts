import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { composedServices, services } from '../../../shared/app/worker.ts'

const adminKey = 'an-admin-key-of-at-least-32-characters'

/** On a port where nothing listens. */
const settings = {
  AZURE_STORAGE_CONNECTION_STRING:
    'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Zm9v;TableEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a',
  KEY_PEPPERS: `p1:${randomBytes(32).toString('base64')}`,
  ADMIN_KEY: adminKey,
}

test('services are composed on the first call, once, and not while a setting is wrong', () => {
  for (const name of Object.keys(settings)) delete process.env[name]
  expect(() => services()).toThrow(/ADMIN_KEY is missing/)
  expect(composedServices()).toBeUndefined()
  Object.assign(process.env, settings)
  expect(services()).toBe(services())
  expect(composedServices()).toBe(services())
  expect(process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name))).toEqual([])
})

test('the admin key is that key and nothing near it, whatever its length', () => {
  Object.assign(process.env, settings)
  const near = ['', adminKey.slice(1), `${adminKey}x`, adminKey.toUpperCase(), ` ${adminKey}`, 'x'.repeat(10_000)]
  expect([adminKey, ...near].filter((key) => services().isAdminKey(key))).toEqual([adminKey])
})
