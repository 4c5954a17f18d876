import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { keysGenerate } from '../../functions/keys-generate.ts'
import { keysList } from '../../functions/keys-list.ts'
import { keysMe } from '../../functions/keys-me.ts'
import { keysMeRevoke } from '../../functions/keys-me-revoke.ts'
import { keysPatch } from '../../functions/keys-patch.ts'
import { keysRotate } from '../../functions/keys-rotate.ts'
import { keysValidate } from '../../functions/keys-validate.ts'
import { everyProvider } from '../../shared/domain/access/provider-scope.ts'
import { type FakeServices, fakeServices } from '../support/memory/fake-services.ts'
import { type CallOptions, call, type Endpoint } from '../support/requests/call.ts'
import { type HeldKey, makeKey } from '../support/requests/callers.ts'

const office = '192.0.2.7:51234'
const elsewhere = '198.51.100.7:51234'
const bound = { kind: 'management', name: 'Office', scopes: ['keys:read', 'keys:write'] } as const

let services: FakeServices
let manager: HeldKey

beforeEach(async () => {
  services = fakeServices()
  manager = await makeKey(services, { ...bound, environment: null, ipRestrictions: ['192.0.2.0/24', '2001:db8::/32'] })
})

/** As Azure's front end forwards a request: the peer's address comes last, after what the caller wrote. */
const from = (forwarded: string | null, endpoint: Endpoint, options: CallOptions) =>
  call(endpoint, services, {
    ...options,
    headers: { 'x-request-id': 'the-same-id', ...(forwarded !== null && { 'x-forwarded-for': forwarded }) },
  })

describe('a management key that is bound to addresses', () => {
  const list = async (forwarded: string | null) =>
    (await from(forwarded, keysList, { key: manager.secret, query: { provider_id: 'acme' } })).status

  test('is accepted from these addresses, in any form', async () => {
    for (const address of [office, '192.0.2.255', '::ffff:192.0.2.7', '[2001:db8::7]:443', '2001:DB8:0::7']) {
      expect([address, await list(address)]).toEqual([address, 200])
    }
  })

  test('is refused from any other address, and where no address can be trusted', async () => {
    for (const address of [
      elsewhere,
      '192.0.3.7',
      '[2001:db9::7]:443',
      'fe80::1%1',
      '0300.0.2.7',
      '192.0.2',
      '',
      null,
    ]) {
      expect([address, await list(address)]).toEqual([address, 401])
    }
    services = { ...services, clientIpSource: { kind: 'none' } }
    expect(await list(office)).toBe(401)
    services = { ...services, clientIpSource: { kind: 'hops', count: 2 } }
    expect([await list(office), await list(`${office}, 10.0.0.1`)]).toEqual([401, 200])
  })

  test('is refused like an unknown key, byte for byte', async () => {
    const refused = await from(elsewhere, keysList, { key: manager.secret })
    const unknown = await from(elsewhere, keysList, { key: 'wrong' })
    expect([refused.status, refused.headers, refused.text]).toEqual([401, unknown.headers, unknown.text])
  })

  test('is neither accepted nor refused because of entries that a caller forges before its own address', async () => {
    const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
    const address = fc.oneof(fc.constantFrom('192.0.2.7', '198.51.100.7', '', 'unknown', '::1'), fc.ipV4(), fc.ipV6())
    const forged = fc.oneof(
      text,
      fc.array(address, { maxLength: 40 }).map((list) => list.join(',')),
    )
    await fc.assert(
      fc.asyncProperty(forged, async (prefix) => {
        expect(await list(`${prefix},${office}`)).toBe(200)
        expect(await list(`${prefix},${elsewhere}`)).toBe(401)
      }),
    )
  })

  test('takes its rules at generation and by patch, and they are validated', async () => {
    const json = { ...bound, provider_id: 'acme', ip_restrictions: ['192.0.2.7'] }
    const made = await call(keysGenerate, services, { json })
    expect([made.status, made.body.ip_restrictions]).toEqual([201, ['192.0.2.7']])
    const patch = (ip_restrictions: readonly string[] | null) =>
      call(keysPatch, services, { params: { token_id: made.body.key_id }, json: { ip_restrictions } })
    expect((await patch(['198.51.100.0/24'])).body.ip_restrictions).toEqual(['198.51.100.0/24'])
    expect((await patch(null)).body.ip_restrictions).toEqual([])
    expect((await patch(['198.51.100.1/24'])).status).toBe(400)
    const faulty = await call(keysGenerate, services, { json: { ...json, ip_restrictions: ['localhost'] } })
    expect([faulty.status, faulty.body.errors[0].pointer]).toEqual([400, '#/ip_restrictions/0'])
  })

  test('cannot make, change or rotate a key with the same scopes from more addresses, nor widen its own rules', async () => {
    const send = async (endpoint: Endpoint, options: CallOptions) =>
      (await from(office, endpoint, { key: manager.secret, ...options })).status
    const generate = (ip_restrictions?: readonly string[]) =>
      send(keysGenerate, { json: { ...bound, ...(ip_restrictions && { ip_restrictions }) } })
    expect([await generate(), await generate([]), await generate(['192.0.0.0/16'])]).toEqual([403, 403, 403])
    expect(await generate(['192.0.2.7', '198.51.100.7'])).toBe(403)
    expect(await generate(['192.0.2.128/25', '2001:db8:1::/48'])).toBe(201)
    const params = { token_id: manager.key.keyId }
    expect(await send(keysPatch, { params, json: { ip_restrictions: null } })).toBe(403)
    expect(await send(keysPatch, { params, json: { ip_restrictions: ['192.0.2.7'] } })).toBe(200)
    const free = await makeKey(services, { ...bound, environment: null })
    expect(await send(keysRotate, { params: { token_id: free.key.keyId }, json: { grace_period_seconds: 60 } })).toBe(
      403,
    )
    expect((await services.keys.findById(everyProvider, free.key.keyId))?.value).toEqual(free.key)
  })
})

describe('a key that is bound to addresses', () => {
  test('shows itself to its holder from these alone, and can be revoked from anywhere', async () => {
    const { secret } = await makeKey(services, { ipRestrictions: ['192.0.2.0/24'] })
    const me = async (forwarded: string | null) => (await from(forwarded, keysMe, { key: secret })).status
    expect([await me(office), await me(elsewhere), await me(null)]).toEqual([200, 401, 401])
    expect((await from(elsewhere, keysMeRevoke, { key: secret, json: {} })).status).toBe(200)
    expect(await me(office)).toBe(401)
  })

  test('is judged by the client_ip of the validate call, in any form, and never by the caller’s own address', async () => {
    const { secret } = await makeKey(services, { ipRestrictions: ['192.0.2.0/24'] })
    const codeFor = async (client_ip: string | null) =>
      (await from(office, keysValidate, { json: { key: secret, client_ip } })).body.code
    for (const allowed of ['192.0.2.7', '192.0.2.7:80', '::ffff:192.0.2.7', '[::ffff:192.0.2.7]:80']) {
      expect([allowed, await codeFor(allowed)]).toEqual([allowed, 'VALID'])
    }
    const refused = [
      '198.51.100.7',
      '192.0.2.7%1',
      '192.0.2.07',
      '0xc0.0.2.7',
      '192.0.519',
      '192.0.2.7, 192.0.2.7',
      '',
      null,
    ]
    for (const address of refused) expect([address, await codeFor(address)]).toEqual([address, 'IP_NOT_ALLOWED'])
  })

  test('is counted under the canonical client address, and under none where it is not an address', async () => {
    const { secret } = await makeKey(services)
    const use = (client_ip: string) => call(keysValidate, services, { json: { key: secret, client_ip } })
    for (const address of ['192.0.2.7:80', '::ffff:192.0.2.7']) await use(address)
    await use('the office')
    const counted = services.queue.held().map((message) => JSON.stringify(message))
    const shown = (address: string) =>
      counted.filter((message) => message.includes(services.digests.ofAddress(address)))
    expect([counted.length, shown('192.0.2.7').length, shown('the office').length]).toEqual([3, 2, 0])
  })
})
