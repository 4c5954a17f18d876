import { hash } from 'node:crypto'
import { everyProvider } from '../shared/domain/provider-scope.ts'
import { validateKey } from '../shared/operations/validate-key.ts'
import { interleave } from './support/interleave.ts'
import { ageless, fillCache, recorderToNowhere, validateInput } from './support/known-keys.ts'
import { print, reportGoal, round } from './support/report.ts'

// The whole verdict on a key that this instance knows (format, digest, cache, status, expiry, environment, scopes,
// address, limits, and the use recorded), against one bare hash of the same key.

const operations = 50_000
const rounds = 9

for (const size of [10_000, 100_000, 1_000_000]) {
  const { knownKeys, secrets } = await fillCache(size)
  const usage = recorderToNowhere()
  const needs = { knownKeys, usage, clock: ageless }
  const inputs = secrets.map(validateInput)
  // A stride that is prime to every size: all keys have their turn, none is near the one before.
  let at = 0
  const nextIndex = () => (at = (at + 7_919_111) % size)

  const { bare, verdict } = await interleave(
    {
      bare: (count) => {
        for (let turn = 0; turn < count; turn++) hash('sha256', secrets[nextIndex()] ?? '', 'hex')
      },
      verdict: async (count) => {
        for (let turn = 0; turn < count; turn++) {
          const input = inputs[nextIndex()]
          if (input === undefined) throw new RangeError('no such key')
          const { code } = await validateKey(needs, everyProvider, input)
          if (code !== 'VALID') throw new Error(`A good key was ${code}.`)
        }
      },
    },
    { rounds, operations },
  )
  if (usage.dropped() > 0) print(`${usage.dropped()} uses were dropped`)
  print(`${size} keys: bare hash ${round(bare)} ns, verdict ${round(verdict)} ns, ${round(1e9 / verdict)} per second`)
  reportGoal({ name: `warm-validate-${size}`, value: bare / verdict, unit: 'x-bare-hash', atLeast: 0.4 })
}
