import { deepScenarios, quickScenarios } from '../tests/support/counting-scenarios.ts'
import { countingWorld } from '../tests/support/counting-world.ts'
import { explore } from '../tests/support/explore.ts'

// Every crash point of counting in deeper scenarios than the tests have time for.
let violations = 0
let statesTotal = 0
for (const [name, scenario] of Object.entries({ ...quickScenarios, ...deepScenarios })) {
  const { states, steps, ends, found } = await explore(() => countingWorld(scenario))
  statesTotal += states
  violations += found === undefined ? 0 : 1
  process.stdout.write(
    `${name}: ${states} states, ${steps} steps, ${ends} ends, ${found?.violation ?? 'no violation'}\n`,
  )
  if (found !== undefined) process.stdout.write(`  ${found.steps.join('\n  ')}\n`)
}
process.stdout.write(`${statesTotal} states\n`)
process.stdout.write(`GOAL crash-points ${violations} violations ${violations === 0 ? 'PASS' : 'FAIL'}\n`)
process.exitCode = violations === 0 ? 0 : 1
