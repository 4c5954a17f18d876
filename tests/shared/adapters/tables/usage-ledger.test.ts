import { describe, expect, test } from 'vitest'
import { tableLateUsage } from '../../../../shared/adapters/tables/late-usage.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableUsageLedger } from '../../../../shared/adapters/tables/usage-ledger.ts'
import { tableUsageMonths } from '../../../../shared/adapters/tables/usage-months.ts'
import {
  lateUsageContract,
  usageLedgerContract,
  usageMonthsContract,
} from '../../../support/contracts/usage-ledger-contract.ts'
import { memoryLateUsage, memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { azuriteTables } from '../../../support/worlds/azurite-tables.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'
import type { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

const { plain, shuffled, connectionString } = azuriteTables()

usageLedgerContract('memory', memoryUsageLedger)
usageLedgerContract('Azurite', () => tableUsageLedger(plain()))
usageLedgerContract('Azurite with shuffled queries', () => tableUsageLedger(shuffled()))
usageMonthsContract('memory', memoryUsageLedger)
usageMonthsContract('Azurite', () => ({ ...tableUsageLedger(plain()), ...tableUsageMonths(plain()) }))
lateUsageContract('memory', memoryLateUsage)
lateUsageContract('Azurite', () => tableLateUsage(plain()))
lateUsageContract('Azurite with shuffled queries', () => tableLateUsage(shuffled()))

describe('a ledger in tables', () => {
  const partition = { day: '20261122', shard: '00' }
  const batch = { batchId: 'host.boot.1', ackedBelow: 1, count: 3, at: '2026-11-22T10:00:00.000Z' }

  test('over a network that loses the reply to a commit, a lookup of the batch shows that it was counted', async () => {
    const wrapClient: typeof shuffleQueries = (client) => loseReplies(client, ({ url }) => url.endsWith('$batch'))
    const ledger = tableUsageLedger(tableAccess({ connectionString: connectionString(), wrapClient }))
    const change = { meta: await ledger.readMeta(partition), applied: [batch], counters: [] }
    expect(await ledger.commit(partition, change)).toEqual({ kind: 'duplicate' })
    expect(await ledger.findApplied(partition, [batch.batchId])).toEqual(new Map([[batch.batchId, 'counted']]))
    expect(await ledger.readMeta(partition)).toMatchObject({ batches: 1, total: 3 })
  })

  test('keeps counts beyond 32 bits', async () => {
    const ledger = tableUsageLedger(plain())
    const other = { ...partition, shard: '01' }
    const { version: _, ...counters } = sampleCounters([sampleDelta({ count: 2 ** 40 })], 1)
    const applied = [{ ...batch, count: 2 ** 40 }]
    await ledger.commit(other, { meta: await ledger.readMeta(other), applied, counters: [counters] })
    expect(await ledger.readCounters(other, [counters])).toEqual([counters])
    expect(await ledger.readMeta(other)).toMatchObject({ total: 2 ** 40 })
  })

  test('accepts a full transaction whose every key has the most and the longest endpoint names', async () => {
    const ledger = tableUsageLedger(plain())
    const other = { ...partition, shard: '02' }
    const names = Array.from({ length: 60 }, (_, index) => `${index}${'\u0001é"'.repeat(84)}`)
    const keyIds = Array.from({ length: 64 }, (_, index) => `key-${index}`)
    const counters = keyIds.map((keyId) => {
      const deltas = names.map((endpoint) => sampleDelta({ keyId, endpoint }))
      const { version: _, ...row } = sampleCounters(deltas, 1)
      return row
    })
    const applied = Array.from({ length: 35 }, (_, index) => ({ ...batch, batchId: `host.boot.${index}` }))
    const change = { meta: await ledger.readMeta(other), applied, counters }
    expect(await ledger.commit(other, change)).toMatchObject({ kind: 'committed' })
  })
})
