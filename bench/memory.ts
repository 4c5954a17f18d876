import { spawnSync } from 'node:child_process'
import { fillCache } from './support/known-keys.ts'
import { print, reportGoal, round } from './support/report.ts'

// Bytes the process retains per cached key.

const SIZES = [100_000, 1_000_000]

if (globalThis.gc === undefined) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', import.meta.filename], { stdio: 'inherit' })
  process.exit(status ?? 1)
}
for (const size of SIZES) {
  const before = heldBytes()
  const { keyLookup, sample } = await fill(size)
  const perKey = (heldBytes() - before) / size
  const { value } = await keyLookup.find(sample, false)
  print(`${size} keys: ${round(perKey)} bytes each; the first one is ${value === undefined ? 'gone' : 'there'}`)
  if (size === SIZES.at(-1)) reportGoal({ name: 'memory', value: perKey, unit: 'bytes-per-cached-key', atMost: 200 })
}

/** Drops all secrets but one, since their list is not part of the cache. */
async function fill(size: number) {
  const { keyLookup, secrets } = await fillCache(size)
  return { keyLookup, sample: secrets[0] ?? '' }
}

function heldBytes(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
