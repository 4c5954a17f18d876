import pLimit from 'p-limit'
import { eraseInUsageMessage, parseUsageMessage } from '../shared/contracts/usage-message.ts'
import { dayName } from '../shared/domain/usage/calendar.ts'
import { countOf } from '../shared/domain/usage/counters.ts'
import { partitionsOfDay, splitByPartition } from '../shared/domain/usage/partition.ts'
import { usageAggregator } from '../shared/operations/usage/aggregate-usage.ts'
import { commitBatches } from '../shared/operations/usage/commit-batches.ts'
import { usageConsumer } from '../shared/operations/usage/consume-usage.ts'
import { countersCache } from '../shared/operations/usage/counters-cache.ts'
import { openMetrics } from '../shared/runtime/metrics.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { countedStorage } from './support/counted-storage.ts'
import { median, print, reportGoal, round } from './support/report.ts'
import { messageMaker, systemClock, systemScheduler } from './support/usage-messages.ts'

// One consumer drains messages of 300 uses each, over 100 keys, from a real queue into real tables; then messages of
// 1,000 uses, as a busier or a relaxed producer makes them. The baseline, in turn, counts uses one by one: a message
// and a transaction per use, 16 at a time, without merging and caching.

const rounds = 5
const messages = 320
const usesPerMessage = 300
const usesPerFullMessage = 1000
const singleUses = 160
const atOnce = 16
const today = new Date()
const yesterday = new Date(today.getTime() - 86_400_000)

const azurite = await startAzurite()
const { ledger, late, queue, poison, poisoned, transactions } = countedStorage(azurite.connectionString)
const keys = { findById: async () => undefined }
const needs = { ledger, late, keys, clock: systemClock, scheduler: systemScheduler, jitter: Math.random }
const consumer = usageConsumer({
  aggregator: usageAggregator(needs),
  ...{ queue, poison, poisoned, keys, ledger, clock: systemClock },
  codec: { parse: parseUsageMessage, erase: eraseInUsageMessage },
  pushLog: { partApplied: async () => undefined },
  marks: { request: async () => undefined },
  log: (...line) => print(line.join(' ')),
  meter: openMetrics({ worker: 'bench' }).meter,
})
const maker = messageMaker(100)

/** Uses per second, and transactions per 1,000 uses, sends included. */
async function drainFolded(usesEach: number): Promise<{ rate: number; cost: number }> {
  const before = transactions()
  const bodies = await maker.make(messages, usesEach, today)
  await pLimit(8).map(bodies, (body) => queue.send(body))
  const startedAtMs = performance.now()
  await consumer.drain()
  const seconds = (performance.now() - startedAtMs) / 1000
  const uses = messages * usesEach
  return { rate: uses / seconds, cost: ((transactions() - before) * 1000) / uses }
}

function describe({ rate, cost }: { readonly rate: number; readonly cost: number }): string {
  return `${round(rate)} events/s, ${round(cost)} transactions per 1,000`
}

async function drainSingly(): Promise<number> {
  const bodies = await maker.make(singleUses, 1, yesterday)
  await pLimit(8).map(bodies, (body) => queue.send(body))
  const startedAtMs = performance.now()
  await Promise.all(Array.from({ length: atOnce }, countSingly))
  return (singleUses * 1000) / (performance.now() - startedAtMs)
}

async function countSingly(): Promise<void> {
  for (let [message] = await queue.receive(1, 60); message; [message] = await queue.receive(1, 60)) {
    const { deltas, ...batch } = parseUsageMessage(message.body)
    for (const part of splitByPartition(deltas)) {
      const commit = commitBatches(part.partition, { ...needs, counters: countersCache() })
      await commit([{ batch: { ...batch, count: countOf(part.deltas) }, deltas: part.deltas }])
    }
    await queue.remove(message)
  }
}

/** The day's totals by its counters and by its fences. Both must equal the recorded uses. */
async function totalsOf(day: string): Promise<readonly number[]> {
  const scans = await Promise.all(partitionsOfDay(day).map(ledger.scanCounters))
  const rows = await Promise.all(scans.map(({ counters }) => Array.fromAsync(counters)))
  const counted = rows.flat().reduce((sum, { total }) => sum + total, 0)
  return [counted, scans.reduce((sum, { meta }) => sum + meta.total, 0)]
}

try {
  const folded: { rate: number; cost: number }[] = []
  const single: number[] = []
  for (let turn = 0; turn <= rounds; turn++) {
    const [fast, faster, slow] = [
      await drainFolded(usesPerMessage),
      await drainFolded(usesPerFullMessage),
      await drainSingly(),
    ]
    print(`${describe(fast)}; by ${usesPerFullMessage} ${describe(faster)}; one by one ${round(slow)} events/s`)
    if (turn === 0) continue
    folded.push(fast)
    single.push(slow)
  }
  const rate = median(folded.map((one) => one.rate))
  const recorded = (rounds + 1) * messages * (usesPerMessage + usesPerFullMessage)
  const recordedSingly = (rounds + 1) * singleUses
  const wrong = [
    ...(await totalsOf(dayName(today))).map((total) => Math.abs(total - recorded)),
    ...(await totalsOf(dayName(yesterday))).map((total) => Math.abs(total - recordedSingly)),
  ]
  reportGoal({ name: 'aggregate', value: rate, unit: 'events/s', atLeast: 200_000 })
  reportGoal({ name: 'aggregate-wrong', value: Math.max(...wrong), unit: 'events', atMost: 0 })
  const cost = median(folded.map((one) => one.cost))
  reportGoal({ name: 'aggregate-transactions', value: cost, unit: 'per-1000-events', atMost: 10 })
  reportGoal({ name: 'aggregate-speedup', value: rate / median(single), unit: 'x', atLeast: 100 })
} finally {
  await azurite.stop()
}
