import { expect, test } from 'vitest'
import { usageAggregator } from '../../../../shared/operations/usage/aggregate-usage.ts'
import { manualTime, rest } from '../../../support/memory/manual-time.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../../../support/memory/memory-usage-ledger.ts'
import { sampleDelta } from '../../../support/samples/usage-samples.ts'
import { sampleBatch } from '../../../support/worlds/consumer-under-test.ts'

/** An aggregator that pauses for half a second after each commit of a partition, and its commits so far. */
function pausingAggregator() {
  const { clock, scheduler, advance } = manualTime()
  const memory = memoryUsageLedger()
  let commits = 0
  const ledger: typeof memory = {
    ...memory,
    commit(partition, change) {
      commits++
      return memory.commit(partition, change)
    },
  }
  const aggregator = usageAggregator({
    ...{ ledger, late: memoryLateUsage(), keys: memoryKeyStore(), clock, scheduler },
    jitter: () => 0,
    pauseMs: 500,
  })
  const submit = () => aggregator.submit(sampleBatch([sampleDelta()]))
  return { submit, advance, commits: () => commits, total: () => memory.held().map(({ meta }) => meta.total) }
}

test('an idle partition is written at once, and a busy one once per pause', async () => {
  const { submit, advance, commits, total } = pausingAggregator()
  await submit()
  const later = Promise.all([submit(), submit(), submit()])
  await rest()
  expect([commits(), total()]).toEqual([1, [1]])
  await advance(500)
  await later
  expect([commits(), total()]).toEqual([2, [4]])
})

test('waiting batches that fill a transaction end the pause', async () => {
  const { submit, commits, total } = pausingAggregator()
  await submit()
  await Promise.all(Array.from({ length: 40 }, submit))
  expect([commits(), total()]).toEqual([2, [41]])
})
