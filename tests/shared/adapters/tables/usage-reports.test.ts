import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import { tablePushStore } from '../../../../shared/adapters/tables/push-store.ts'
import { tableRollUpMarks } from '../../../../shared/adapters/tables/roll-up-marks.ts'
import { type TableAccess, tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { tableUsageBoots } from '../../../../shared/adapters/tables/usage-boots.ts'
import { tableUsageReports } from '../../../../shared/adapters/tables/usage-reports.ts'
import { oneProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { pushStoreContract, samplePush } from '../../../support/contracts/push-store-contract.ts'
import { usageBootsContract } from '../../../support/contracts/usage-boots-contract.ts'
import { rollUpMarksContract, usageReportsContract } from '../../../support/contracts/usage-reports-contract.ts'
import { memoryPushStore } from '../../../support/memory/memory-push-store.ts'
import { memoryUsageBoots } from '../../../support/memory/memory-usage-boots.ts'
import { memoryRollUpMarks, memoryUsageReports } from '../../../support/memory/memory-usage-reports.ts'
import { sampleProviderId } from '../../../support/samples/sample-keys.ts'
import { sampleCounters, sampleDelta } from '../../../support/samples/usage-samples.ts'
import { azuriteTables } from '../../../support/worlds/azurite-tables.ts'
import { loseReplies } from '../../../support/worlds/lost-replies.ts'

const { plain, shuffled, connectionString } = azuriteTables()

usageReportsContract('memory', memoryUsageReports)
usageReportsContract('Azurite', () => tableUsageReports(plain()))
usageReportsContract('Azurite with shuffled queries', () => tableUsageReports(shuffled()))
rollUpMarksContract('memory', memoryRollUpMarks)
rollUpMarksContract('Azurite', () => tableRollUpMarks(plain()))
usageBootsContract('memory', memoryUsageBoots)
usageBootsContract('Azurite', () => tableUsageBoots(plain()))
usageBootsContract('Azurite with shuffled queries', () => tableUsageBoots(shuffled()))
pushStoreContract('memory', memoryPushStore)
pushStoreContract('Azurite', () => tablePushStore(plain()))
pushStoreContract('Azurite with shuffled queries', () => tablePushStore(shuffled()))

describe('over a network that loses replies', () => {
  const flaky = () =>
    tableAccess({
      connectionString: connectionString(),
      wrapClient: (client) => loseReplies(client, ({ method }) => method !== 'GET'),
    })

  test('copies are stored once and stay unchanged', async () => {
    const providerId = sampleProviderId()
    const copy = sampleCounters([sampleDelta({ providerId, keyId: 'key-a', count: 5 })], 1)
    const reports = tableUsageReports(flaky())
    await reports.putKeyDays(oneProvider(providerId), [copy])
    const found = await reports.keyDays(oneProvider(providerId), 'key-a', { first: '20261122', last: '20261122' })
    expect(found).toMatchObject([{ total: 5 }])
  })

  test('an accepted batch returns `accepted`', async () => {
    const scope = oneProvider(sampleProviderId())
    const [store, record] = [tablePushStore(flaky()), samplePush()]
    expect(await store.begin(scope, { ...record, startedAt: record.acceptedAt })).toBe('begun')
    expect(await store.accept(scope, record, ['one', 'two'])).toBe('accepted')
  })
})

test('copies are written in transactions of at most the given number of rows', async () => {
  const providerId = sampleProviderId()
  const rows: number[] = []
  const tables: TableAccess = {
    table(name) {
      const table = plain().table(name)
      return {
        ...table,
        transact(actions) {
          rows.push(actions.length)
          return table.transact(actions)
        },
      }
    },
  }
  const copies = Array.from({ length: 5 }, () => sampleCounters([sampleDelta({ providerId, keyId: ulid() })], 1))
  await tableUsageReports(tables, 5).putKeyDays(oneProvider(providerId), copies)
  expect(rows).toEqual([4, 4, 2])
})

describe('what a provider may get access to', () => {
  test('no row of usagebyprovider holds the hash of an address', async () => {
    const providerId = sampleProviderId()
    const copy = sampleCounters([sampleDelta({ providerId, lastIpHash: '0123456789abcdef' })], 1)
    await tableUsageReports(plain()).putKeyDays(oneProvider(providerId), [copy])
    const rows = await Array.fromAsync(plain().table('usagebyprovider').scan(`PartitionKey eq '${providerId}'`))
    expect(rows).toHaveLength(2)
    expect(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? Number(value) : value))).not.toContain(
      '0123456789abcdef',
    )
  })
})
