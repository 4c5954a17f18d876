import { encodeUsageMessage, parseUsageMessage } from '../../../shared/contracts/usage-message.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import { addDeltas } from '../../../shared/domain/usage/counters.ts'
import { shardOf } from '../../../shared/domain/usage/partition.ts'
import type { UsageDelta } from '../../../shared/domain/usage/usage.ts'
import { eraseKey } from '../../../shared/operations/keys/erase-key.ts'
import { writeRevocation } from '../../../shared/operations/keys/revoke-key.ts'
import { type EraseUsageNeeds, eraseUsage } from '../../../shared/operations/usage/erase-usage.ts'
import type { PoisonStore } from '../../../shared/ports/poison.ts'
import type { LateUsage } from '../../../shared/ports/usage.ts'
import type { PushStore, UsageReports } from '../../../shared/ports/usage-reports.ts'
import { samplePush } from '../contracts/push-store-contract.ts'
import type { FakeServices } from '../memory/fake-services.ts'
import { countInto, sampleDelta } from '../samples/usage-samples.ts'

/** What an erasure must leave nowhere: the owner, an earlier owner, an address and its hash, and a text. */
export const erasedTexts = ['ann@example.com', 'ann-before@example.com', '192.0.2.7', 'f00df00d', 'Phone of Ann']
export const today = '20261122'
/** A sealed day of an earlier month, an open one, and today. */
const days = ['20261015', '20261101', today] as const

/** The stores that the world is made on. */
export type ErasureStores = EraseUsageNeeds & {
  readonly ledger: FakeServices['ledger']
  readonly late: LateUsage
  readonly copies: FakeServices['copies']
  readonly reports: UsageReports
  readonly pushes: PushStore
  readonly poisoned: PoisonStore
}

const acme = oneProvider('acme')

export const useOf = (key: Key, day: string, change: Partial<UsageDelta> = {}): UsageDelta =>
  sampleDelta({
    keyId: key.keyId,
    ownerId: erasedTexts[0] ?? null,
    hour: `${day}10`,
    lastIpHash: 'f00df00d',
    ...change,
  })
export const evidence = { outcome: 'REVOKED', statusClass: '4xx', lastIp: '192.0.2.7' } as const

/** A revoked key whose texts are in every kind of usage data, beside another key of the same owner. */
export async function seedErasure(stores: ErasureStores, key: Key, other: Key): Promise<void> {
  const { ledger, copies, late, poisoned, pushes } = stores
  for (const one of [key, other]) await stores.keys.create(one)
  await writeRevocation(stores, everyProvider, {
    ...{ keyId: key.keyId, reason: 'compromised', text: 'of ann@example.com', replacedBy: null, by: 'admin' },
  })
  const both = (day: string) => [key, other].map((one) => useOf(one, day, { count: 3 }))
  for (const [index, day] of days.entries()) {
    const ownerId = index === 0 ? (erasedTexts[1] ?? null) : (erasedTexts[0] ?? null)
    const deltas = [...both(day), useOf(key, day, { ...evidence, count: 2 })].map((delta) => ({ ...delta, ownerId }))
    await countInto(ledger, deltas, { batchId: `seed.boot.${index}` })
    const counters = addDeltas(() => undefined, deltas)
    await copies.putKeyDays(
      acme,
      counters.map((row) => ({ ...row, version: 1 })),
    )
  }
  const [sealed] = days
  await ledger.seal({ day: sealed, shard: shardOf(key.keyId) })
  const batch = { batchId: 'seed.boot.8', ackedBelow: 1, count: 2, at: '2026-11-22T10:00:00.000Z' }
  const lateUses = [useOf(key, sealed, evidence), useOf(other, sealed)]
  await late.put({ ...batch, partition: { day: sealed, shard: shardOf(key.keyId) }, deltas: lateUses })
  const message = encodeUsageMessage({ ...batch, batchId: 'seed.boot.9', deltas: lateUses, push: null })
  await poisoned.put({ id: 'seed.boot.9', reason: 'refused', detail: '', setAsideAt: new Date(0), body: message })
  const record = samplePush({ parts: 1 })
  await pushes.begin(acme, { ...record, startedAt: record.acceptedAt })
  await pushes.accept(acme, record, [message])
}

export const requestErasure = (stores: ErasureStores, { keyId }: Key) => eraseKey(stores, everyProvider, keyId)

/** Runs the timer until no erasure is under way. */
export async function completeErasure(stores: ErasureStores, wait: () => Promise<void>): Promise<void> {
  for (let runs = 0; runs < 10; runs++) {
    await eraseUsage(stores, 60)
    if ((await stores.erasures.page({ limit: 1, after: null })).items.length === 0) return
    await wait()
  }
  throw new Error('The erasure never ends.')
}

/** Drains the queue of usage. A commit that an erasure has fenced off is tried again after a backoff. */
export async function drainUsage({ consumer, time }: Pick<FakeServices, 'consumer' | 'time'>): Promise<void> {
  let isDone = false
  const drained = consumer.drain().finally(() => {
    isDone = true
  })
  while (!isDone) await time.advance(100)
  await drained
}

/** Every count that usage data hold of a key, without owner and addresses. */
export async function countsOf(stores: ErasureStores, { keyId }: Key) {
  const span = { first: days[0], last: today }
  const withoutNames = ({ ownerId: _, lastIpHash: __, erased: ___, lastRevokedUse, ...counts }: Counters) => {
    return { ...counts, revokedUse: lastRevokedUse && { at: lastRevokedUse.at, endpoint: lastRevokedUse.endpoint } }
  }
  const ofDay = async (day: string) => {
    const partition = { day, shard: shardOf(keyId) }
    const { fence: _, ...meta } = await stores.ledger.readMeta(partition)
    const rows = await stores.ledger.readCounters(partition, [{ providerId: 'acme', keyId }])
    const late = await Array.fromAsync(stores.late.scan(day))
    const lateUses = late.flatMap(({ deltas }) => deltas.map(({ keyId: id, count, endpoint }) => [id, count, endpoint]))
    return { meta, rows: rows.map(withoutNames), lateUses }
  }
  const copies = (await stores.reports.keyDays(acme, keyId, span)).map(withoutNames)
  return {
    days: await Promise.all(days.map(ofDay)),
    copies: copies.toSorted((a, b) => (a.day < b.day ? -1 : 1)),
    messages: (await messagesOf(stores)).map((message) =>
      parseUsageMessage(message).deltas.map(({ keyId: id, count, endpoint }) => [id, count, endpoint]),
    ),
  }
}

/** The messages that are set aside, and those that wait to be sent. */
async function messagesOf({ poisoned, pushes }: ErasureStores): Promise<readonly string[]> {
  const aside = (await poisoned.page({ limit: 100, after: null })).items.map(({ value }) => value.body)
  const record = await pushes.find(acme, samplePush().batchId)
  return [...aside, ...((record && (await pushes.unsent(acme, record))) ?? [])]
}

/** The texts that any store still has of a key. */
export async function textsLeftOf(stores: ErasureStores, { keyId }: Key): Promise<readonly string[]> {
  const ofKey = (deltas: readonly UsageDelta[]) => deltas.filter((delta) => delta.keyId === keyId)
  const late = (await Promise.all(days.map((day) => Array.fromAsync(stores.late.scan(day))))).flat()
  const held = [
    await stores.keys.findById(everyProvider, keyId),
    await Promise.all(
      days.map((day) => stores.ledger.readCounters({ day, shard: shardOf(keyId) }, [{ providerId: 'acme', keyId }])),
    ),
    await stores.reports.keyDays(acme, keyId, { first: days[0], last: today }),
    late.map(({ deltas }) => ofKey(deltas)),
    (await messagesOf(stores)).map((message) => ofKey(parseUsageMessage(message).deltas)),
  ]
  const text = JSON.stringify(held)
  return erasedTexts.filter((erased) => text.includes(erased))
}

type Counters = Awaited<ReturnType<UsageReports['keyDays']>>[number]
