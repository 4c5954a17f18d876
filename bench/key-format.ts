import { randomBytes } from 'node:crypto'
import { generateSecret, readPrefix } from '../shared/domain/keys/key-format.ts'
import { print, reportGoal, round } from './support/report.ts'

// A million keys: no duplicates, all well formed, and every character equally likely at every place.

const COUNT = 1_000_000
const RANDOM_START = 'permas_live_'.length
const RANDOM_LENGTH = 38
const LETTERS = 62

const startedAtMs = performance.now()
const keys = new Set<string>()
const seen = new Uint32Array(RANDOM_LENGTH * 128)
let malformed = 0
for (let index = 0; index < COUNT; index++) {
  const secret = generateSecret('live', randomBytes)
  keys.add(secret)
  if (readPrefix(secret) !== 'live') malformed++
  for (let place = 0; place < RANDOM_LENGTH; place++) {
    const cell = place * 128 + secret.charCodeAt(RANDOM_START + place)
    seen[cell] = (seen[cell] ?? 0) + 1
  }
}
print(`${round((performance.now() - startedAtMs) / 1000)} s for ${COUNT} keys, made, read and compared`)
reportGoal({ name: 'key-format-duplicates', value: COUNT - keys.size, unit: 'keys', atMost: 0 })
reportGoal({ name: 'key-format-malformed', value: malformed, unit: 'keys', atMost: 0 })

// Chi-square with 61 degrees of freedom has a mean of 61 and a standard deviation of 11. One place in 500,000 exceeds
// 130, so one of 38 places exceeds 130 in about one run of 13,000.
const worst = Math.max(...Array.from({ length: RANDOM_LENGTH }, (_, place) => chiSquare(place)))
reportGoal({ name: 'key-format-bias', value: worst, unit: 'chi-square-of-the-worst-place', atMost: 130 })

function chiSquare(place: number): number {
  const expected = COUNT / LETTERS
  const counts = [...seen.subarray(place * 128, (place + 1) * 128)].filter((cell) => cell > 0)
  const deviations = counts.reduce((sum, cell) => sum + (cell - expected) ** 2 / expected, 0)
  return deviations + (LETTERS - counts.length) * expected
}
