import { fuzz } from '../tests/support/fuzz/fuzz.ts'
import { loadEndpoints } from '../tests/support/requests/all-functions.ts'
import { print, reportGoal, round } from './support/report.ts'

// Sends requests drawn from the contracts, half of them spoilt, to every endpoint in process. `node bench/fuzz.ts
// [seed] [sequences]` repeats a run. A bad answer is printed with the shortest sequence that leads to it.

const [seed = Date.now() % 1_000_000, sequences = 3200] = process.argv.slice(2).map(Number)
const { requests, answers, slowest, failure } = await fuzz(await loadEndpoints(), { seed, sequences })
print(`seed ${seed}: ${requests} requests`)
for (const [answer, count] of [...answers].sort()) print(`  ${answer}: ${count}`)
print(`the slowest: ${slowest.answer}, ${round(slowest.durationMs)} ms`)
if (failure !== undefined) print(failure)
reportGoal({ name: 'fuzz-requests', value: requests, unit: 'requests', atLeast: 100_000 })
reportGoal({ name: 'fuzz-bad-answers', value: failure === undefined ? 0 : 1, unit: 'answers', atMost: 0 })
