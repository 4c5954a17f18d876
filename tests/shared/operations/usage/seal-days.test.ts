import { expect, test } from 'vitest'
import { sealDays } from '../../../../shared/operations/usage/seal-days.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'
import { memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { countInto, sampleDelta } from '../../../support/samples/usage-samples.ts'

test('sealing ends the counting of days more than 35 days old, touches no other day, and is idempotent', async () => {
  const ledger = memoryUsageLedger()
  const { clock } = manualTime('2026-11-22T16:00:00.000Z')
  for (const hour of ['2026101700', '2026101823', '2026112216']) {
    await countInto(ledger, [sampleDelta({ hour })], { batchId: `host.boot.${hour}` })
  }
  expect(await sealDays({ ledger, clock })).toBe(1)
  expect(await sealDays({ ledger, clock })).toBe(0)
  const states = ledger.held().map(({ partition, meta }) => [partition.day, meta.state])
  expect(states).toEqual([
    ['20261017', 'sealed'],
    ['20261018', 'open'],
    ['20261122', 'open'],
  ])
})
