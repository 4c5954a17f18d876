import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { erasedCounters, erasedDay } from '../../../shared/domain/usage/erasure.ts'
import type { DayCounters, UsagePartition } from '../../../shared/domain/usage/usage.ts'
import type { ErasureStep, LateUsage, UsageLedger } from '../../../shared/ports/usage.ts'
import type { PushedMessages, PushStore, UsageCopies, UsageReports } from '../../../shared/ports/usage-reports.ts'
import { sampleProviderId } from '../samples/sample-keys.ts'
import { countInto, keyInShard, sampleCounters, sampleDelta } from '../samples/usage-samples.ts'
import { samplePush } from './push-store-contract.ts'

export interface ErasableUsage {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly reports: UsageReports & UsageCopies
  readonly pushes: PushStore
  readonly pushedMessages: PushedMessages
}

const shard = '03'
const [keyId, otherId] = [keyInShard(shard), keyInShard(shard, 1)]
const pseudonymOf = (ownerId: string | null) => (ownerId === 'ann' ? 'erased-ann' : ownerId)
const evidence = { outcome: 'REVOKED', statusClass: '4xx', lastIpHash: 'abcd', lastIp: '192.0.2.7' } as const

/** The contract of every store of usage data for what an erasure asks of it. */
export function usageErasureContract(name: string, makeStores: () => ErasableUsage): void {
  describe(`${name}, from which a key is erased,`, () => {
    erasingCounters(makeStores)
    erasingElsewhere(makeStores)
  })
}

let days = 0

function fresh(makeStores: () => ErasableUsage) {
  const providerId = sampleProviderId()
  const number = days++
  const day = `${4000 + Math.floor(number / 28)}05${String(1 + (number % 28)).padStart(2, '0')}`
  const delta = (change = {}) => sampleDelta({ providerId, keyId, ownerId: 'ann', hour: `${day}10`, ...change })
  const partition: UsagePartition = { day, shard }
  const erased = { providerId, keyId, pseudonymOf }
  return { ...makeStores(), providerId, scope: oneProvider(providerId), day, delta, partition, key: erased }
}

async function toTheEnd(step: (after: string | null) => Promise<ErasureStep>): Promise<number> {
  let changed = 0
  for (let after: string | null = null; ; ) {
    const taken: ErasureStep = await step(after)
    changed += taken.changed
    if (taken.next === null) return changed
    after = taken.next
  }
}

function erasingCounters(makeStores: () => ErasableUsage): void {
  const eraseAll = (counters: DayCounters | undefined) => counters && erasedCounters(counters, pseudonymOf)

  test('its counters keep every count, lose owner and addresses, and are marked; others stay', async () => {
    const { ledger, partition, delta, key } = fresh(makeStores)
    const uses = [delta(), delta({ ...evidence, count: 4 }), delta({ keyId: otherId, ...evidence })]
    await countInto(ledger, uses, { batchId: `host.${randomUUID()}.1` })
    const read = () => ledger.readCounters(partition, [key, { ...key, keyId: otherId }])
    const [before, other] = await read()
    expect(await ledger.eraseCounters(partition, key, eraseAll)).toBe('erased')
    const lastRevokedUse = before?.lastRevokedUse && { ...before.lastRevokedUse, clientIp: null }
    const after = { ...before, ownerId: 'erased-ann', lastIpHash: null, lastRevokedUse, erased: true }
    expect(await read()).toEqual([after, other])
    expect(other).toMatchObject({ ownerId: 'ann', lastRevokedUse: { clientIp: '192.0.2.7' } })
  })

  test('the fence moves: a commit of what was read before is refused, and the sums are the same', async () => {
    const { ledger, partition, delta, key } = fresh(makeStores)
    await countInto(ledger, [delta()], { batchId: `host.${randomUUID()}.1` })
    const before = await ledger.readMeta(partition)
    await ledger.eraseCounters(partition, key, eraseAll)
    const { fence, ...after } = await ledger.readMeta(partition)
    expect({ ...after, fence: before.fence }).toEqual(before)
    expect(fence).not.toBe(before.fence)
    const stale = { meta: before, applied: [], counters: [sampleCounters([delta()], 1)] }
    const applied = [{ batchId: `host.${randomUUID()}.2`, ackedBelow: 1, count: 1, at: '2026-11-22T10:00:00.000Z' }]
    expect((await ledger.commit(partition, { ...stale, applied })).kind).toBe('fenced')
    expect((await ledger.readCounters(partition, [key]))[0]?.ownerId).toBe('erased-ann')
  })

  test('a day without counters gets a mark, also in an empty partition; what is counted then keeps it', async () => {
    const { ledger, partition, delta, key, providerId, day } = fresh(makeStores)
    const mark = erasedDay({ providerId, keyId, ownerId: 'erased-ann', environment: 'live' }, day)
    const erase = (counters: DayCounters | undefined) => (counters === undefined ? mark : undefined)
    expect(await ledger.eraseCounters(partition, key, erase)).toBe('erased')
    expect(await ledger.eraseCounters(partition, key, erase)).toBe('unchanged')
    expect(await ledger.readCounters(partition, [key])).toEqual([mark])
    expect(await ledger.readMeta(partition)).toMatchObject({ state: 'open', batches: 0, total: 0 })
    await countInto(ledger, [delta({ ...evidence, count: 3 })], { batchId: `host.${randomUUID()}.1` })
    const [counted] = await ledger.readCounters(partition, [key])
    expect(counted).toMatchObject({ total: 3, ownerId: 'erased-ann', lastIpHash: null, erased: true })
    expect(counted?.lastRevokedUse).toMatchObject({ endpoint: '/orders', clientIp: null })
  })

  test('a sealed partition is erased too, and stays sealed', async () => {
    const { ledger, partition, delta, key } = fresh(makeStores)
    await countInto(ledger, [delta(evidence)], { batchId: `host.${randomUUID()}.1` })
    await ledger.seal(partition)
    expect(await ledger.eraseCounters(partition, key, eraseAll)).toBe('erased')
    expect(await ledger.readMeta(partition)).toMatchObject({ state: 'sealed', batches: 1, total: 1 })
    expect((await ledger.readCounters(partition, [key]))[0]?.ownerId).toBe('erased-ann')
  })
}

function erasingElsewhere(makeStores: () => ErasableUsage): void {
  test('its copies for reports keep every count and lose owner and addresses; others stay', async () => {
    const { reports, scope, delta, day, key } = fresh(makeStores)
    const copies = [keyId, otherId].map((id) => sampleCounters([delta({ keyId: id, ...evidence })], 5))
    await reports.putKeyDays(scope, copies)
    const span = { first: day, last: day }
    const [before] = await reports.keyDays(scope, keyId, span)
    const others = await reports.keyDays(scope, otherId, span)
    expect(await reports.eraseKey(scope, key)).toBe(1)
    const lastRevokedUse = before?.lastRevokedUse && { ...before.lastRevokedUse, clientIp: null }
    expect(await reports.keyDays(scope, keyId, span)).toEqual([{ ...before, ownerId: 'erased-ann', lastRevokedUse }])
    expect(await reports.keyDays(scope, otherId, span)).toEqual(others)
    expect(await reports.eraseKey(scope, key)).toBe(0)
    expect(await reports.lastUsed(scope, [keyId])).toEqual(new Map([[keyId, before?.lastUsedAt]]))
  })

  test('an erased copy is replaced only by a later count', async () => {
    const { reports, scope, delta, day, key } = fresh(makeStores)
    await reports.putKeyDays(scope, [sampleCounters([delta()], 5)])
    await reports.eraseKey(scope, key)
    await reports.putKeyDays(scope, [sampleCounters([delta()], 5)])
    const read = async () => (await reports.keyDays(scope, keyId, { first: day, last: day }))[0]?.ownerId
    expect(await read()).toBe('erased-ann')
    await reports.putKeyDays(scope, [sampleCounters([delta()], 6)])
    expect(await read()).toBe('ann')
  })

  test('its uses in late batches keep their order and counts, and lose owner and addresses', async () => {
    const { late, partition, delta, day, key } = fresh(makeStores)
    const deltas = Array.from({ length: 300 }, (_, index) =>
      delta({ ...evidence, keyId: index % 2 === 0 ? keyId : otherId, count: index + 1 }),
    )
    const batch = { batchId: `host.${randomUUID()}.1`, ackedBelow: 1, count: 9, at: '2026-11-22T10:00:00.000Z' }
    await late.put({ ...batch, partition, deltas })
    await toTheEnd((after) => late.eraseKey(key, after))
    const erased = { ownerId: 'erased-ann', lastIpHash: null, lastIp: null }
    const expected = deltas.map((one) => (one.keyId === keyId ? { ...one, ...erased } : one))
    const found = (await Array.fromAsync(late.scan(day))).filter(({ batchId }) => batchId === batch.batchId)
    expect(found).toEqual([{ ...batch, partition, deltas: expected }])
    expect(await toTheEnd((after) => late.eraseKey(key, after))).toBe(0)
  })

  test('the messages of its provider are changed, and no other', async () => {
    const { pushes, pushedMessages, scope, providerId } = fresh(makeStores)
    const other = oneProvider(`${providerId}0`)
    const long = 'é"'.repeat(15_100)
    for (const one of [scope, other]) {
      const record = samplePush()
      await pushes.begin(one, { ...record, startedAt: record.acceptedAt })
      await pushes.accept(one, record, [`ann ${long}`, 'bob'])
    }
    const erase = (text: string) => (text.includes('ann') ? text.replace('ann', 'nobody') : undefined)
    expect(await toTheEnd((after) => pushedMessages.erase(scope, erase, after))).toBe(1)
    const messagesOf = async (one: typeof scope) => {
      const record = await pushes.find(one, samplePush().batchId)
      return record && (await pushes.unsent(one, record))
    }
    expect(await messagesOf(scope)).toEqual([`nobody ${long}`, 'bob'])
    expect(await messagesOf(other)).toEqual([`ann ${long}`, 'bob'])
    expect(await toTheEnd((after) => pushedMessages.erase(scope, erase, after))).toBe(0)
  })
}
