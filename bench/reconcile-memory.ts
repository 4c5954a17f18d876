import { spawnSync } from 'node:child_process'
import { ulid } from 'ulid'
import { partitionName } from '../shared/domain/usage/partition.ts'
import { reconcileUsage } from '../shared/operations/usage/reconcile-usage.ts'
import type { LedgerRow, UsageLedger } from '../shared/ports/usage.ts'
import { print, reportGoal } from './support/report.ts'

// The peak memory of a reconciliation by the number of its rows, each in a process of its own with 64 MB of heap. The
// ledger makes its rows as they are read, like pages of a table. `node bench/reconcile-memory.ts [batches]`.

const NOW = new Date('2026-11-22T16:20:00.000Z')
const HEAP_MB = 64
const [batches = 8640, role = 'parent'] = [Number(process.argv[2] ?? 8640), process.argv[3]]

if (role === 'child') {
  const { rows, ledger } = generatedLedger(batches)
  await reconcileUsage(needsOf(ledger), { from: null, to: null })
  print(JSON.stringify({ rows: rows(), peakKb: process.resourceUsage().maxRSS }))
} else {
  measure(batches)
  const [small, large] = [measureThrice(batches), measureThrice(10 * batches)]
  print(`${small.rows} rows: ${mb(small)} MB at most; ${large.rows} rows: ${mb(large)} MB at most`)
  const value = large.peakKb / small.peakKb
  reportGoal({ name: 'reconcile-memory-tenfold', value, unit: 'x-memory', atMost: 1.2 })
}

/** The run in the middle: what the garbage collector leaves standing differs from run to run. */
function measureThrice(count: number): ReturnType<typeof measure> {
  const runs = [1, 2, 3].map(() => measure(count)).sort((a, b) => a.peakKb - b.peakKb)
  return runs[1] ?? measure(count)
}

function measure(count: number): { readonly rows: number; readonly peakKb: number } {
  const options = [`--max-old-space-size=${HEAP_MB}`, '--max-semi-space-size=1', import.meta.filename]
  const child = spawnSync(process.execPath, [...options, String(count), 'child'], { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(`${count} batches: ${child.signal ?? child.status} ${child.stderr}`)
  return JSON.parse(child.stdout)
}

function mb({ peakKb }: { readonly peakKb: number }): number {
  return Math.round(peakKb / 1024)
}

/** Two boots whose batches are spread over the day and touch all partitions of it. */
function generatedLedger(count: number) {
  const startMs = NOW.getTime() - 20 * 3_600_000
  const boots = ['host-1', 'host-2'].map((instance) => `${instance}.${ulid(startMs)}`)
  const everyMs = (20 * 3_600_000) / count
  let made = 0
  async function* batchesOf(producer: string): AsyncGenerator<LedgerRow> {
    for (let number = 1; number <= count; number++) {
      made++
      if (number % 1000 === 0) await new Promise(setImmediate)
      const at = new Date(startMs + number * everyMs).toISOString()
      yield { kind: 'batch', batch: { batchId: `${producer}.${number}`, ackedBelow: number, count: 3, at } }
    }
  }
  async function* rows(partition: Parameters<UsageLedger['scan']>[0]): AsyncGenerator<LedgerRow> {
    if (!partitionName(partition).startsWith('20261122')) return
    for (const producer of boots) yield* batchesOf(producer)
  }
  const meta = { fence: 'x', state: 'open', batches: 0, total: 0 } as const
  const scan: UsageLedger['scan'] = async (partition) => ({ meta, rows: rows(partition) })
  return { rows: () => made, ledger: { scan, readMeta: async () => meta } }
}

function needsOf(ledger: Pick<UsageLedger, 'scan' | 'readMeta'>): Parameters<typeof reconcileUsage>[0] {
  const nothing = {
    async *[Symbol.asyncIterator]() {
      yield* []
    },
  }
  return {
    ledger,
    late: { scan: () => nothing },
    journal: { acceptedBetween: () => nothing },
    bootJournal: { open: () => nothing, closedOn: () => nothing },
    ...{ queue: { depth: async () => 0 }, poison: { depth: async () => 0 } },
    poisoned: { page: async () => ({ items: [], next: null }) },
    clock: { now: () => NOW, monotonicMs: () => 0 },
    log: () => undefined,
    metrics: { meter: { count: () => undefined } },
  }
}
