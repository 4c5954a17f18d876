import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRevoke } from '../../functions/keys-revoke.ts'
import { keysUsage } from '../../functions/keys-usage.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { compose } from '../../shared/app/compose.ts'
import type { Services } from '../../shared/app/services.ts'
import { parseConfig } from '../../shared/runtime/config.ts'
import { type CallOptions, call, type Endpoint } from '../support/requests/call.ts'
import { startAzurite, type TestAzurite } from '../support/runs/azurite.ts'
import { makeTestSettings } from '../support/runs/test-settings.ts'

/** How many names of endpoints one day of one key counts separately. */
const NAMES_PER_KEY = 40
const PUSHED = 5000
const PER_TEXT_FIELD = 60

let azurite: TestAzurite
let services: Services
let key: string
beforeAll(async () => {
  azurite = await startAzurite()
  const settings = { ...makeTestSettings('strict'), AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString }
  key = settings.ADMIN_KEY
  services = compose(parseConfig({ ...settings, DB_FALLBACK: 'false', RATE_LIMIT_MAX_REQUESTS: '1000000' }))
})
afterAll(() => azurite.stop())

const ask = (endpoint: Endpoint, options: CallOptions) => call(endpoint, services, { key, ...options })

/** Every kind of character that a parser on the way may stumble over, one or more of a category. */
const odd = fc.constantFrom(
  ...['\u0000', '\u0001', '\u0009', '\u000a', '\u000b', '\u000c', '\u000d', '\u001b', '\u007f', '\u0080', '\u0085'],
  ...['\u009f', '\u00a0', '\u00ad', '\u1680', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000', '\u200b', '\u200c'],
  ...['\u200d', '\u200e', '\u200f', '\u202a', '\u202e', '\u2060', '\u2066', '\u2069', '\ufeff', '\ufff9', '\ufffc'],
  ...['\ufffd', '\ufffe', '\uffff', '\ufdd0', '\ufdef', '\ud800', '\udbff', '\udc00', '\udfff', '\ue000', '\uf8ff'],
  ...['\u0301', '\u0488', '\u0903', '\u20dd', '\u05d0', '\u0627', '\u0661', '\u4e2d', '\uac00', '\u1100', '\u2160'],
  ...[
    '😀',
    '👩‍👩‍👧',
    '🇩🇪',
    '\u{1d400}',
    '\u{1fffe}',
    '\u{10ffff}',
    '\u{e0001}',
    '\u{20000}',
    '\u{f0000}',
    'ß',
    'İ',
    'ǆ',
  ],
  ...[
    '"',
    '\\',
    '\\u2028',
    '{',
    '}',
    '|',
    '`',
    '\u00b4',
    '_',
    '€',
    '+',
    '^',
    '--batch_',
    'HTTP/1.1 200 OK',
    '__proto__',
  ],
)
const anyText = fc
  .array(
    fc.oneof({ weight: 2, arbitrary: odd }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 5 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''))

/** Distinct texts, the same in every run. */
function textsOf(count: number, seed: number): readonly string[] {
  const texts = new Set<string>(fc.sample(odd, { numRuns: 1000, seed }))
  for (let more = seed; texts.size < count; more++) {
    for (const text of fc.sample(anyText, { numRuns: count, seed: more })) texts.add(text)
  }
  return [...texts].slice(0, count)
}

interface PushedText {
  readonly key_id: string
  readonly endpoint: string
  readonly count: number
}

/** What the service must count of valid events whose id is their endpoint, trimmed as the service trims it. */
function countsOf(events: readonly PushedText[]) {
  const expected = new Map<string, Map<string, number>>()
  const seen = new Set<string>()
  let [accepted, duplicate] = [0, 0]
  for (const { key_id, endpoint, count } of events) {
    const name = endpoint.trim()
    if (seen.has(name)) {
      duplicate += count
      continue
    }
    seen.add(name)
    accepted += count
    const counts = expected.get(key_id) ?? new Map<string, number>()
    expected.set(key_id, counts.set(name, count))
  }
  return { expected, accepted, duplicate }
}

async function makeKey(change: object = {}): Promise<{ readonly keyId: string; readonly secret: string }> {
  const json = { provider_id: 'acme', environment: 'live', name: 'App', ...change }
  const { body } = await ask(keysGenerate, { json })
  return { keyId: body.key_id, secret: body.key }
}

test(`${PUSHED} texts as endpoints and event ids are counted exactly, or rejected by index`, {
  timeout: 300_000,
}, async () => {
  const texts = textsOf(PUSHED, 1)
  const keys = await Promise.all(Array.from({ length: Math.ceil(PUSHED / NAMES_PER_KEY) }, () => makeKey()))
  const keyIdAt = (index: number) => keys[Math.floor(index / NAMES_PER_KEY)]?.keyId ?? ''
  const events = texts.map((endpoint, index) => ({
    key_id: keyIdAt(index),
    endpoint,
    id: endpoint,
    count: (index % 3) + 1,
  }))
  const { status, body } = await ask(usagePush, { query: { provider_id: 'acme' }, json: { events } })
  expect(status).toBe(202)
  const rejected = new Set<number>(body.rejected.map(({ index }: { index: number }) => index))
  for (const [index, text] of texts.entries()) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the contract refuses.
    if (/[\u0000-\u001f\u007f]/.test(text.trim()) || !text.isWellFormed()) expect(rejected).toContain(index)
  }
  expect(rejected.size).toBeLessThan(PUSHED / 1.2)

  const { expected, ...sums } = countsOf(events.filter((_, index) => !rejected.has(index)))
  expect(body).toMatchObject(sums)

  while ((await services.queue.depth()) > 0)
    expect(await services.consumer.drain()).toMatchObject({ setAside: 0, failed: 0 })
  for (const [keyId, counts] of expected) {
    const { body: usage } = await ask(keysUsage, { params: { token_id: keyId } })
    expect(new Map(Object.entries(usage.by_endpoint))).toEqual(counts)
  }
  expect((await services.poisoned.page({ limit: 10, after: null })).items).toEqual([])
  expect(services.guards.map(({ name, state }) => [name, state()]).filter(([, state]) => state !== 'closed')).toEqual(
    [],
  )
})

/** Makes a key with these texts, and expects them back as they were. Returns the status. */
async function generateWith(change: Readonly<Record<string, unknown>>): Promise<number> {
  const json = { provider_id: 'acme', environment: 'live', name: 'App', ...change }
  const { status, body } = await ask(keysGenerate, { json })
  if (status !== 201) return status
  const stored = (await ask(keysGet, { params: { token_id: body.key_id } })).body
  for (const [field, value] of Object.entries(change)) {
    expect(stored[field]).toEqual(typeof value === 'string' ? value.trim() : value)
  }
  return status
}

test('texts as name, description, owner, metadata and reason of a revocation come back exactly, or are refused with 400', {
  timeout: 300_000,
}, async () => {
  const statuses = new Map<number, number>()
  for (const text of textsOf(PER_TEXT_FIELD * 5, 7)) {
    for (const change of [{ name: text }, { description: text }, { owner_id: text }, { metadata: { [text]: text } }]) {
      const status = await generateWith(change)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  expect(statuses.get(201)).toBeGreaterThan(300)
  expect([...statuses.keys()].sort()).toEqual([201, 400])
})

test('texts as tag, endpoint, description and revocation text: the call succeeds or is 400, and every use counts', {
  timeout: 300_000,
}, async () => {
  const { keyId, secret } = await makeKey()
  let uses = 0
  for (const text of textsOf(PER_TEXT_FIELD * 3, 13)) {
    for (const change of [{ endpoint: text }, { tags: [text] }]) {
      const { status } = await ask(keysValidate, { json: { key: secret, ...change } })
      expect([200, 400]).toContain(status)
      if (status === 200) uses++
    }
    const patched = await ask(keysPatch, { params: { token_id: keyId }, json: { description: text } })
    expect([200, 400]).toContain(patched.status)
    const other = await makeKey()
    const revoked = await ask(keysRevoke, { params: { token_id: other.keyId }, json: { reason: 'policy', text } })
    expect([200, 400]).toContain(revoked.status)
  }
  await services.usage.flush()
  while ((await services.queue.depth()) > 0) await services.consumer.drain()
  const { body } = await ask(keysUsage, { params: { token_id: keyId } })
  expect(body.totals.total).toBe(uses)
  expect(uses).toBeGreaterThan(100)
})
