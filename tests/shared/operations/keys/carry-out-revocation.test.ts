import { beforeEach, expect, test } from 'vitest'
import { encodeRevocationMessage } from '../../../../shared/contracts/revocation-message.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import type { PendingRevocation } from '../../../../shared/domain/keys/key.ts'
import { carryOutRevocation } from '../../../../shared/operations/keys/carry-out-revocation.ts'
import { redriveRevocations } from '../../../../shared/operations/keys/redrive-revocations.ts'
import { writeRevocation } from '../../../../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../../../support/memory/fake-services.ts'
import { type HeldKey, makeKey } from '../../../support/requests/callers.ts'

let services: FakeServices
let held: HeldKey
let down: boolean
let logged: string[]

beforeEach(async () => {
  down = false
  logged = []
  services = fakeServices(({ keys }) => ({
    keys: {
      ...keys,
      findById: (...asked) =>
        down ? Promise.reject(new AppError('store_unavailable', 'No reply.')) : keys.findById(...asked),
    },
  }))
  held = await makeKey(services)
})

const log = (level: string, message: string) => void logged.push(`${level} ${message}`)

function message(change: Partial<PendingRevocation> = {}): string {
  return encodeRevocationMessage({
    ...{ keyId: held.key.keyId, providerId: 'acme', replacedBy: null, tries: 0 },
    ...{ at: new Date('2026-11-22T15:00:00.000Z'), by: 'admin', reason: 'compromised', text: '雪\u2028' },
    ...change,
  })
}

const stored = async () => (await services.keys.findById(everyProvider, held.key.keyId))?.value
const carryOut = (body: string) => carryOutRevocation(services, body, log)

/** Delivers the visible messages of the queue, each once. */
async function deliver(): Promise<number> {
  const messages = await services.keyEvents.receive(32, 600)
  for (const one of messages) {
    await carryOut(one.body)
    await services.keyEvents.remove(one)
  }
  return messages.length
}

test('a pending revocation is written as of its own time, and the feed tells every instance', async () => {
  await carryOut(message({ replacedBy: '01K99999999999999999999999' }))
  const revocation = {
    ...{ at: new Date('2026-11-22T15:00:00.000Z'), by: 'admin' },
    ...{ reason: 'compromised', text: '雪' },
  }
  expect(await stored()).toMatchObject({ revocation, replacedBy: '01K99999999999999999999999' })
  const found = await services.feed.read(new Date(0), new Date('2027-01-01'))
  const announced = { ...revocation, text: null }
  expect(found.changes).toMatchObject([{ change: { keyId: held.key.keyId, revocation: announced } }])
})

test('delivered again, or after another revocation, it changes nothing: the first one stands', async () => {
  const input = { keyId: held.key.keyId, reason: 'policy', text: null, replacedBy: null, by: 'first' } as const
  const first = await writeRevocation(services, everyProvider, input)
  for (let time = 0; time < 3; time++) await carryOut(message())
  expect(await stored()).toEqual(first)
})

test('the providers of the caller bind it: another provider’s key stays valid, and the log says so', async () => {
  await carryOut(message({ providerId: 'other' }))
  expect((await stored())?.revocation).toBeNull()
  expect(logged).toEqual([expect.stringContaining('error A pending revocation names a key that is missing')])
  await carryOut(message({ providerId: '*' }))
  expect((await stored())?.revocation).not.toBeNull()
})

test('while the store is down it is sent again for days, with delays of up to 30 s, and is never poisoned', async () => {
  down = true
  await services.keyEvents.send(message())
  let deliveries = 0
  for (let hour = 0; hour < 48; hour++) {
    for (let second = 0; second < 3600; second += 1) {
      deliveries += await deliver()
      await services.time.advance(1000)
    }
    expect(await services.keyEvents.depth()).toBe(1)
  }
  expect(deliveries).toBeGreaterThan((48 * 3600) / 32)
  expect(deliveries).toBeLessThan((48 * 3600) / 29)
  down = false
  for (let second = 0; second <= 30; second++) {
    await deliver()
    await services.time.advance(1000)
  }
  expect([await services.keyEvents.depth(), (await stored())?.revocation?.by]).toEqual([0, 'admin'])
})

test('a refusal of our own is no reason to poison it either: it is sent again', async () => {
  const append = () => Promise.reject(new AppError('overloaded', 'Too much under way.'))
  await carryOutRevocation({ ...services, feed: { ...services.feed, append } }, message(), log)
  await services.time.advance(1000)
  expect([await deliver(), await services.keyEvents.depth()]).toEqual([1, 0])
  expect((await services.feed.read(new Date(0), new Date())).changes).toHaveLength(1)
})

test('while the store is down, every instance that receives it refuses the key if it has it cached', async () => {
  await services.keyLookup.find(held.secret, false)
  down = true
  await carryOut(message({ providerId: 'other' }))
  expect((await services.keyLookup.find(held.secret, false)).value?.revocation).toBeNull()
  await carryOut(message())
  expect((await services.keyLookup.find(held.secret, false)).value?.revocation?.by).toBe('admin')
})

test.each([
  ['no JSON', 'no JSON'],
  ['of a later version', '{"v":2}'],
  ['without a key id', JSON.stringify({ ...JSON.parse(sample()), key_id: '' })],
])('a message that is %s throws, so the host moves it to the poison queue', async (_, body) => {
  await expect(carryOut(body)).rejects.toThrow('not a revocation message')
})

test('poisoned revocations are sent back as often as it takes; what is no revocation stays, without an expiry', async () => {
  const { keyEvents, keyEventsPoison: poison } = services
  for (let time = 0; time < 30; time++) {
    await poison.send(message())
    expect(await redriveRevocations(services, log)).toEqual({ redriven: 1, stuck: 0 })
  }
  expect([await poison.depth(), await keyEvents.depth()]).toEqual([0, 30])
  const { receive } = poison
  let first = true
  poison.receive = async (limit, hiddenSeconds) => {
    const expiresAt = first ? new Date('2026-11-29T00:00:00.000Z') : null
    first = false
    return (await receive(limit, hiddenSeconds)).map((one) => ({ ...one, expiresAt }))
  }
  await poison.send('{"v":2}')
  const [before] = poison.held()
  // The copy without an expiry is met again in the same run.
  expect(await redriveRevocations(services, log)).toEqual({ redriven: 0, stuck: 2 })
  expect(poison.held()).toMatchObject([{ body: '{"v":2}' }])
  expect(poison.held()[0]?.id).not.toBe(before?.id)
  expect(logged.at(-1)).toBe('error Revocations were in the poison queue.')
})

function sample(): string {
  return encodeRevocationMessage({
    ...{ keyId: '01K00000000000000000000001', providerId: '*', replacedBy: null, tries: 0 },
    ...{ at: new Date(0), by: 'admin', reason: 'policy', text: null },
  })
}
