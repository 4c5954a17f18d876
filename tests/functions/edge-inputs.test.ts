import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { keysBatchValidate } from '../../functions/keys-batch-validate.ts'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysGet } from '../../functions/keys-get.ts'
import { keysMe } from '../../functions/keys-me.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysUsage } from '../../functions/keys-usage.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { usageList } from '../../functions/usage-list.ts'
import { usagePush } from '../../functions/usage-push.ts'
import { usageReconciliation } from '../../functions/usage-reconciliation.ts'
import { adminKey, type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { call } from '../support/requests/call.ts'
import { makeKey } from '../support/requests/callers.ts'

const json = { provider_id: 'acme', environment: 'live', name: 'App' }

const isKeptWhole = (whole: bigint) => BigInt(Number(whole)) === whole && String(Number(whole)) === String(whole)

let services: FakeServices

beforeEach(() => {
  services = fakeServices()
})

describe('metadata', () => {
  const generate = (metadata: string) =>
    call(keysGenerate, services, {
      body: `{"provider_id":"acme","environment":"live","name":"A","metadata":${metadata}}`,
    })

  test.each([
    '9007199254740993',
    '-9007199254740993',
    '1e400',
    '-1e400',
    '0.12345678901234567890',
    '1e-400',
    '123456789012345678901',
  ])('with the number %s, which would come back as another one, is refused with its path', async (number) => {
    const { status, body } = await generate(`{"a/b":[{"id":${number}}]}`)
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.errors).toEqual([{ pointer: '#/metadata/a~1b/0/id', detail: expect.stringMatching(/send it as text/) }])
  })

  test.each([
    '9007199254740991',
    '-9007199254740991',
    '1.10',
    '1e3',
    '100',
    '0.1',
    '-5',
    '0.0',
    '2.50e2',
    '1E+2',
    '5e-324',
  ])('with the number %s comes back as that number', async (number) => {
    const { status, body } = await generate(`{"id":${number}}`)
    expect([status, body.metadata]).toEqual([201, { id: Number(number) }])
  })

  test('with any numbers comes back as they were, or is refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        async (whole, real) => {
          const { status, body } = await generate(`{"whole":${whole},"real":${JSON.stringify(real)}}`)
          const isKept = isKeptWhole(whole)
          expect([whole, status]).toEqual([whole, isKept ? 201 : 400])
          if (isKept) expect(body.metadata).toEqual({ whole: Number(whole), real: real === 0 ? 0 : real })
        },
      ),
      { numRuns: 50 },
    )
  })

  test('keeps fields named like parts of every object', async () => {
    const metadata = { constructor: 'a', prototype: 'b', toString: 'c', hasOwnProperty: 'd' }
    const { body } = await call(keysGenerate, services, { json: { ...json, metadata } })
    expect(Object.entries(body.metadata)).toEqual(Object.entries(metadata))
  })
})

describe('a field that is given twice', () => {
  test.each([
    ['keys-validate', keysValidate, '{"key":"a","key":"b"}', '#/key'],
    ['keys-batch-validate', keysBatchValidate, '{"requests":[{"key":"a","cost":0,"cost":1}]}', '#/requests/0/cost'],
    [
      'keys-generate',
      keysGenerate,
      '{"name":"a","environment":"live","metadata":{"x":{"y":1,"y":1}}}',
      '#/metadata/x/y',
    ],
    ['keys-validate', keysValidate, '{"key":"a","k\\u0065y":"b"}', '#/key'],
    ['usage-push', usagePush, '{"batch_id":"batch-0001","batch_id":"batch-0002","events":[]}', '#/batch_id'],
  ])('is refused by %s', async (_, endpoint, body, pointer) => {
    const reply = await call(endpoint, services, { body, query: endpoint === usagePush ? { provider_id: 'acme' } : {} })
    expect(reply.status).toBe(400)
    expect(reply.body.errors).toContainEqual({ pointer, detail: 'is given more than once' })
  })

  test('is refused in a line of a push, which other lines outlive', async () => {
    const { key } = await makeKey(services)
    const lines = [
      `{"key_id":"${key.keyId}"}`,
      `{"key_id":"${key.keyId}","count":1,"count":5}`,
      `{"key_id":"${key.keyId}","count":1e400}`,
    ]
    const { status, body } = await call(usagePush, services, {
      query: { provider_id: 'acme' },
      body: lines.join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    })
    expect([status, body.accepted]).toEqual([202, 1])
    expect(body.rejected).toMatchObject([
      { index: 1, pointer: '#/count', code: 'invalid_event' },
      { index: 2, pointer: '#/count', code: 'invalid_event' },
    ])
  })
})

test.each(['gzip', 'br', 'deflate', 'zstd', 'GZIP', 'gzip, identity'])(
  'a body with Content-Encoding %s gets 415 with the cure',
  async (encoding) => {
    for (const endpoint of [keysGenerate, keysValidate, usagePush]) {
      const { status, body } = await call(endpoint, services, {
        body: Buffer.from([0x1f, 0x8b, 0x08, 0xff]),
        headers: { 'content-encoding': encoding },
        query: endpoint === usagePush ? { provider_id: 'acme' } : {},
      })
      expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
      expect(body.detail).toMatch(/compressed.*without Content-Encoding/)
    }
  },
)

test('a body with Content-Encoding identity is read', async () => {
  const headers = { 'content-encoding': 'identity' }
  expect((await call(keysGenerate, services, { json, headers })).status).toBe(201)
})

test('a time in a query whose + was not encoded gets the hint to write it as %2B', async () => {
  const { key } = await makeKey(services)
  for (const endpoint of [usageList, usageReconciliation, keysUsage]) {
    const query = { from: '2026-11-01T00:00:00 02:00', ...(endpoint === usageList && { provider_id: 'acme' }) }
    const { status, body } = await call(endpoint, services, { params: { token_id: key.keyId }, query })
    expect(status).toBe(400)
    expect(body.errors).toEqual([{ pointer: '/from', detail: expect.stringContaining('%2B') }])
  }
  const { body } = await call(usageList, services, { query: { provider_id: 'acme', from: 'yesterday' } })
  expect(body.errors[0].detail).not.toContain('%2B')
})

describe('a text of invisible characters only', () => {
  const invisible = [
    '\u200b',
    '\u200e\u200f',
    '\ufe0f',
    '\u3164',
    '\u115f\u1160',
    '\u2800',
    '\u00ad',
    '\u2060',
    '\u{e0100}',
    '\u00a0\u3000',
    ' \u200d ',
  ]

  test.each(['name', 'description', 'owner_id'])('is refused as %s, by generate and by patch', async (field) => {
    const { key } = await makeKey(services)
    for (const text of invisible) {
      const made = await call(keysGenerate, services, { json: { ...json, [field]: text } })
      const patched = await call(keysPatch, services, { params: { token_id: key.keyId }, json: { [field]: text } })
      expect([text, made.status, patched.status]).toEqual([text, 400, 400])
      expect(made.body.errors).toMatchObject([{ pointer: `#/${field}` }])
    }
  })

  test('is not what visible text with such characters is', async () => {
    for (const name of ['👨‍👩‍👧', 'שלום\u200f', 'हिन्‍दी', '❤️', 'ㅤa']) {
      expect((await call(keysGenerate, services, { json: { ...json, name } })).status).toBe(201)
    }
  })
})

describe('a key with whitespace', () => {
  const around = (secret: string) => [
    `${secret}\n`,
    ` ${secret}`,
    `${secret}\r\n`,
    `\t${secret}`,
    `${secret}\u00a0`,
    `\ufeff${secret}`,
    `${secret}\u200b`,
  ]

  test('is MALFORMED and told so, by validate and in a batch, and is never counted as a use', async () => {
    const { secret, key } = await makeKey(services)
    for (const text of [...around(secret), `${secret.slice(0, 20)}\n${secret.slice(20)}`]) {
      const one = await call(keysValidate, services, { json: { key: text } })
      const batch = await call(keysBatchValidate, services, { json: { requests: [{ key: text }] } })
      for (const verdict of [one.body, batch.body.results[0]]) {
        expect([verdict.valid, verdict.code, verdict.key_id]).toEqual([false, 'MALFORMED', null])
        expect(verdict.checks).toEqual([
          { check: 'format', result: 'failed', detail: expect.stringMatching(/whitespace/) },
        ])
      }
    }
    expect((await call(keysValidate, services, { json: { key: secret } })).body.key_id).toBe(key.keyId)
  })

  test('without whitespace a malformed key is not said to have any', async () => {
    const { body } = await call(keysValidate, services, { json: { key: 'permas_live_short' } })
    expect(JSON.stringify(body)).not.toContain('whitespace')
  })

  test('is refused in a header, and told so', async () => {
    const { secret, key } = await makeKey(services)
    const asBearer = { authorization: `Bearer ${secret.slice(0, 20)} ${secret.slice(20)}` }
    const replies = [
      await call(keysMe, services, { key: `${secret.slice(0, 20)} ${secret.slice(20)}` }),
      await call(keysMe, services, { key: `${secret}\u00a0` }),
      await call(keysMe, services, { key: null, headers: asBearer }),
      await call(keysGet, services, { key: `${adminKey}\u00a0`, params: { token_id: key.keyId } }),
      await call(keysGet, services, {
        key: null,
        headers: { authorization: `Bearer ${adminKey}\u00a0` },
        params: { token_id: key.keyId },
      }),
    ]
    for (const { status, body } of replies) {
      expect([status, body.code, body.detail]).toEqual([401, 'unauthenticated', expect.stringMatching(/whitespace/)])
    }
    const wrong = await call(keysMe, services, { key: 'permas_live_short' })
    expect(wrong.body.detail).not.toContain('whitespace')
  })
})
