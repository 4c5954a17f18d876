import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { ulid } from 'ulid'
import { compose } from '../shared/app/compose.ts'
import type { Services } from '../shared/app/services.ts'
import { oneProvider } from '../shared/domain/access/provider-scope.ts'
import { dayName, hourIndex, hourName } from '../shared/domain/usage/calendar.ts'
import { addDeltas } from '../shared/domain/usage/counters.ts'
import { partitionsOfDay } from '../shared/domain/usage/partition.ts'
import type { UsagePartition } from '../shared/domain/usage/usage.ts'
import { parseConfig } from '../shared/runtime/config.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { makeTestSettings } from '../tests/support/runs/test-settings.ts'
import { sampleDelta } from '../tests/support/samples/usage-samples.ts'
import { print, reportGoal, round } from './support/report.ts'

// The most live memory of each timer, over ten times the rows. Each timer runs in a process of its own, over a store of
// its own: a day of keys and batches, messages in poison, and expired ids of events.

const TIMERS = ['roll-up', 'seal', 'reconciliation', 'redrive', 'sweep']
const FEW = { commits: 2, poison: 100, ids: 2000 }
const TIMES = 10
const ROWS_PER_COMMIT = 49
const AT_ONCE = 8

const peaks = { few: await peaksOver(1), many: await peaksOver(TIMES) }
for (const timer of TIMERS) {
  const [few = Number.NaN, many = Number.NaN] = [peaks.few.get(timer), peaks.many.get(timer)]
  print(`${timer}: ${round(few / 1e6)} MB, over ${TIMES} times the rows ${round(many / 1e6)} MB`)
  reportGoal({ name: `timers-memory-${timer}`, value: many / few, unit: `x-at-${TIMES}-times-the-rows`, atMost: 1.2 })
}

async function peaksOver(times: number): Promise<ReadonlyMap<string, number>> {
  const azurite = await startAzurite()
  try {
    const settings = {
      ...makeTestSettings('strict'),
      ...{ AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString, DB_FALLBACK: 'false' },
    }
    await fill(compose(parseConfig(settings)), times)
    const found = new Map<string, number>()
    for (const timer of TIMERS) found.set(timer, await peakOf(timer, settings))
    return found
  } finally {
    await azurite.stop()
  }
}

async function fill({ ledger, poison, codec, pushing }: Services, times: number): Promise<void> {
  await pLimit(AT_ONCE).map(partitionsOfDay(dayName(new Date())), (partition) =>
    fillPartition(ledger, partition, FEW.commits * times),
  )
  const deltas = [sampleDelta({ hour: hourName(hourIndex(Date.now())) })]
  const bodies = Array.from({ length: FEW.poison * times }, (_, number) =>
    codec.encode({
      batchId: `host.boot.${number + 1}`,
      ackedBelow: 1,
      at: new Date().toISOString(),
      deltas,
      push: null,
    }),
  )
  await pLimit(AT_ONCE).map(bodies, (body) => poison.send(body))
  const ids = Array.from({ length: FEW.ids * times }, (_, number) => `event-${number}`)
  const owner = { batchId: 'orders-1', attempt: ulid(), expiresAt: new Date('2020-01-01T00:00:00.000Z') }
  await pushing.eventIds.claim(oneProvider('acme'), ids, owner, [])
}

/** Every commit adds 49 batches and 49 keys. */
async function fillPartition(ledger: Services['ledger'], partition: UsagePartition, commits: number): Promise<void> {
  const boot = ulid()
  const hour = hourName(hourIndex(Date.now()))
  let meta = await ledger.readMeta(partition)
  for (let commit = 0; commit < commits; commit++) {
    const numbers = Array.from({ length: ROWS_PER_COMMIT }, (_, index) => commit * ROWS_PER_COMMIT + index + 1)
    const applied = numbers.map((number) => ({
      ...{ batchId: `host-${partition.shard}.${boot}.${number}`, ackedBelow: number },
      ...{ count: 1, at: new Date().toISOString() },
    }))
    const deltas = numbers.map((number) =>
      sampleDelta({ providerId: 'acme', keyId: `key-${partition.shard}-${number}`, hour, count: 1 }),
    )
    const result = await ledger.commit(partition, { meta, applied, counters: addDeltas(() => undefined, deltas) })
    if (result.kind !== 'committed') throw new Error(result.kind)
    meta = result.meta
  }
}

async function peakOf(timer: string, settings: Readonly<Record<string, string>>): Promise<number> {
  const child = fork(join(import.meta.dirname, 'support/processes/run-timer.ts'), [timer], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, ...settings },
  })
  const [[peak]] = await Promise.all([once(child, 'message'), once(child, 'exit')])
  return Number(peak)
}
