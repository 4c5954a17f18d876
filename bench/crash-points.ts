import { deepScenarios, quickScenarios } from '../tests/support/worlds/counting-scenarios.ts'
import { countingWorld } from '../tests/support/worlds/counting-world.ts'
import { explore } from '../tests/support/worlds/explore.ts'
import { print, reportGoal } from './support/report.ts'

// Explores every crash point of counting, in deeper scenarios than the tests have time for.
let violations = 0
let statesTotal = 0
for (const [name, scenario] of Object.entries({ ...quickScenarios, ...deepScenarios })) {
  const { states, steps, ends, found } = await explore(() => countingWorld(scenario))
  statesTotal += states
  violations += found === undefined ? 0 : 1
  process.stdout.write(
    `${name}: ${states} states, ${steps} steps, ${ends} ends, ${found?.violation ?? 'no violation'}\n`,
  )
  if (found !== undefined) print(`  ${found.steps.join('\n  ')}`)
}
print(`${statesTotal} states`)
reportGoal({ name: 'crash-points', value: violations, unit: 'violations', atMost: 0 })
