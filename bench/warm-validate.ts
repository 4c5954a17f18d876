import { hash } from 'node:crypto'
import { everyProvider } from '../shared/domain/access/provider-scope.ts'
import { validateKey } from '../shared/operations/keys/validate-key.ts'
import type { UsageRecorder } from '../shared/ports/usage.ts'
import { interleave } from './support/interleave.ts'
import { ageless, fillCache, limitless, recorderToNowhere, validateInput } from './support/known-keys.ts'
import { print, reportGoal, round } from './support/report.ts'

// The whole verdict on a cached key (format, digest, cache, status, expiry, environment, scopes, address, limits, and
// the use recorded), against one bare hash of the same key. The keys are used in turn, so nothing is in the processor's
// cache and no two uses fold into one delta: the worst case.

const OPERATIONS = 50_000
const ROUNDS = 9

for (const size of [10_000, 100_000, 1_000_000]) {
  const { keyLookup, secrets } = await fillCache(size)
  const usage = recorderToNowhere()
  const inputs = secrets.map(validateInput)
  // A stride coprime to every size: visits every key, and never a neighbour of the previous key.
  let at = 0
  const nextIndex = () => (at = (at + 7_919_111) % size)

  const needs = { ...limitless, keyLookup, clock: ageless }
  const validations =
    (recorder: UsageRecorder, all = { ...needs, usage: recorder }) =>
    async (count: number) => {
      for (let turn = 0; turn < count; turn++) {
        const input = inputs[nextIndex()]
        if (input === undefined) throw new RangeError('no such key')
        const { code } = await validateKey(all, everyProvider, input)
        if (code !== 'VALID') throw new Error(`A good key was ${code}.`)
      }
    }
  const { bare, unrecorded, verdict } = await interleave(
    {
      bare: (count) => {
        for (let turn = 0; turn < count; turn++) hash('sha256', secrets[nextIndex()] ?? '', 'hex')
      },
      unrecorded: validations({ record: async () => 'recorded' as const }),
      verdict: validations(usage),
    },
    { rounds: ROUNDS, operations: OPERATIONS },
  )
  if (usage.dropped() > 0) print(`${usage.dropped()} uses were dropped`)
  print(`${size} keys: bare hash ${round(bare)} ns, verdict ${round(verdict)} ns, ${round(1e9 / verdict)} per second`)
  print(`  without the record of the use: ${round(unrecorded)} ns, ${round(bare / unrecorded)} x bare hash`)
  reportGoal({ name: `warm-validate-${size}`, value: bare / verdict, unit: 'x-bare-hash', atLeast: 0.4 })
}
