import { compose } from '../../../shared/app/compose.ts'
import { sweepStorage } from '../../../shared/operations/maintenance/sweep-storage.ts'
import { reconcileUsage } from '../../../shared/operations/usage/reconcile-usage.ts'
import { redrivePoison } from '../../../shared/operations/usage/redrive-poison.ts'
import { rollUpUsage } from '../../../shared/operations/usage/roll-up-usage.ts'
import { sealDays } from '../../../shared/operations/usage/seal-days.ts'
import { parseConfig } from '../../../shared/runtime/config.ts'

// Runs one timer once, and sends the most live memory that it had, in bytes. Needs --expose-gc.

const SAMPLE_MS = 25
const SWEEP_SECONDS = 600

const services = compose(parseConfig(process.env))
const needs = { ...services, log: () => undefined, meter: services.metrics.meter }
const timers: Readonly<Record<string, () => Promise<unknown>>> = {
  'roll-up': () => rollUpUsage(needs),
  seal: () => sealDays(needs),
  reconciliation: () => reconcileUsage(needs, { from: null, to: null }),
  redrive: () => redrivePoison(needs),
  sweep: () => sweepStorage(needs, SWEEP_SECONDS),
}
const timer = timers[process.argv[2] ?? '']
if (timer === undefined || globalThis.gc === undefined) throw new Error('Give a timer, and --expose-gc.')

let peak = 0
const sample = () => {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  peak = Math.max(peak, heapUsed + arrayBuffers)
}
const sampling = setInterval(sample, SAMPLE_MS)
await timer()
sample()
clearInterval(sampling)
process.send?.(peak, () => process.exit(0))
