import { beforeEach, describe, expect, test } from 'vitest'
import { healthReady } from '../../../../functions/health-ready.ts'
import { keysList } from '../../../../functions/keys-list.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { pepperCheck } from '../../../../shared/operations/keys/check-peppers.ts'
import { countPeppers } from '../../../../shared/operations/keys/count-peppers.ts'
import type { PepperStore } from '../../../../shared/ports/keys.ts'
import { fakeServices } from '../../../support/memory/fake-services.ts'
import { type ManualTime, manualTime, rest } from '../../../support/memory/manual-time.ts'
import { memoryPepperStore } from '../../../support/memory/memory-pepper-store.ts'
import { call } from '../../../support/requests/call.ts'
import { readMetric } from '../../../support/requests/read-metric.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'

let time: ManualTime
let keys: Key[]
let store: PepperStore
let logged: string[]

beforeEach(() => {
  time = manualTime()
  keys = []
  store = memoryPepperStore(() => keys)
  logged = []
})

function check(versions: readonly string[], pepperStore: Pick<PepperStore, 'find' | 'put'> = store) {
  const log = (_: string, message: string) => void logged.push(message)
  const [newestPepper = ''] = versions
  return pepperCheck({ ...{ pepperStore, pepperVersions: versions, newestPepper, log }, ...time })
}

const count = (seconds = 60, versions = ['p2', 'p1']) =>
  countPeppers({ pepperStore: store, pepperVersions: versions, clock: time.clock }, seconds)

/** An instance starts with these peppers, and its start is registered. */
async function startWith(...versions: string[]): Promise<string | undefined> {
  const fault = await check(versions).fault()
  await rest()
  await time.advance(1000)
  return fault
}

describe('dropping a pepper', () => {
  test('is refused while live keys need it, with their number, and accepted when they do not', async () => {
    await startWith('p1')
    await startWith('p2', 'p1')
    keys = [sampleKey(), sampleKey(), sampleKey({ pepperVersion: 'p2' })]
    expect(await count()).toBe('counted')
    expect(await startWith('p2')).toContain('KEY_PEPPERS lacks p1, under which 2 live keys are found')
    expect(logged).toEqual(['The service does not start: a pepper that live keys need is missing.'])
    expect(await startWith('p2', 'p1')).toBeUndefined()
    keys = keys.map((key) => ({ ...key, pepperVersion: 'p2' }))
    await count()
    expect(await startWith('p2')).toBeUndefined()
  })

  test('is refused before its keys were counted since an instance last used it', async () => {
    await startWith('p1')
    expect(await startWith('p2')).toContain('KEY_PEPPERS lacks p1')
    await count()
    expect(await startWith('p2')).toBeUndefined()
  })

  test('that was refused is accepted by the same instance, as soon as a count lets it', async () => {
    await startWith('p1')
    keys = [sampleKey()]
    await count()
    const refused = check(['p2'])
    expect(await refused.fault()).toBeDefined()
    keys = []
    await time.advance(1000)
    await count()
    await time.advance(30_000)
    expect(refused.fault()).toBeUndefined()
  })

  test('is not refused while the store does not answer: known keys go on, and the check is made later', async () => {
    await startWith('p1')
    let isDown = true
    const find = () => (isDown ? Promise.reject(new Error('down')) : store.find())
    const starting = check(['p2'], { ...store, find })
    expect(await starting.fault()).toBeUndefined()
    expect(logged).toEqual(['The peppers in use could not be checked.'])
    isDown = false
    await time.advance(30_000)
    expect(starting.fault()).toContain('KEY_PEPPERS lacks p1')
  })

  test('answers every call with misconfigured, and readiness names the pepper', async () => {
    await startWith('p1')
    const services = { ...fakeServices(), pepperCheck: check(['p2']) }
    const listed = await call(keysList, services, { query: { provider_id: 'acme' } })
    expect([listed.status, listed.body.code]).toEqual([503, 'misconfigured'])
    const ready = await call(healthReady, services)
    expect(ready.body).toMatchObject({ status: 'misconfigured', settings: [expect.stringContaining('lacks p1')] })
  })
})

describe('counting', () => {
  test('goes on where the run before ran out of time, and then begins again', async () => {
    keys = Array.from({ length: 7 }, (_, index) => sampleKey({ pepperVersion: index < 4 ? 'p1' : 'p2' }))
    for (let page = 1; page < 4; page++) expect(await count(0)).toBe('continues')
    expect((await store.find())?.value.counted).toBeNull()
    expect(await count(0)).toBe('counted')
    expect((await store.find())?.value).toMatchObject({ counted: { keys: { p1: 4, p2: 3 } }, counting: null })
  })

  test('keeps the start of an instance that comes in between', async () => {
    const between = { ...store, keys: async (after: string | null) => startWith('p3').then(() => store.keys(after)) }
    await countPeppers({ pepperStore: between, pepperVersions: ['p1', 'p2'], clock: time.clock }, 60)
    expect(Object.keys((await store.find())?.value.startedAt ?? {})).toEqual(['p3'])
    expect((await store.find())?.value.counted).not.toBeNull()
  })

  test('is not due within a day while there is one pepper', async () => {
    await startWith('p1')
    expect(await count(60, ['p1'])).toBe('counted')
    expect(await count(60, ['p1'])).toBe('not_due')
    await time.advance(24 * 60 * 60_000)
    expect(await count(60, ['p1'])).toBe('counted')
  })
})

test('the gauge shows the last count, and no sample before the first', async () => {
  const services = fakeServices()
  const value = (pepper: string) => readMetric(services.metrics, 'auth_api_keys_by_pepper', `pepper="${pepper}"`)
  expect(await value('p1')).toEqual([])
  await services.pepperStore.put({ startedAt: {}, counted: { at: new Date(), keys: { p1: 3 } }, counting: null }, null)
  await services.time.advance(60_000)
  await value('p1')
  await rest()
  expect(await value('p1')).toEqual([3])
})
