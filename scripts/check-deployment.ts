import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { azdChecks } from './checks/azd.ts'
import { runChecks, surroundings, toTable } from './checks/check.ts'
import { commonChecks } from './checks/common.ts'
import { kubernetesChecks } from './checks/kubernetes.ts'

/** Looks at everything that a deployment needs, before it changes anything. Ends with code 1 if a check fails. */
const ways: Readonly<Record<string, readonly (typeof azdChecks)[number][]>> = {
  azd: azdChecks,
  kubernetes: kubernetesChecks,
}

process.exitCode = await check()

async function check(): Promise<number> {
  const { values } = parseArgs({ options: { for: { type: 'string', default: 'azd' } } })
  const checks = ways[values.for]
  if (checks === undefined) {
    process.stderr.write(`Say which way: --for ${Object.keys(ways).join(' or --for ')}.\n`)
    return 1
  }
  const here = surroundings(join(import.meta.dirname, '..'), process.env)
  const checked = await runChecks([...commonChecks, ...checks], here)
  process.stdout.write(toTable(checked))
  return checked.some(({ finding }) => finding.state === 'FAIL') ? 1 : 0
}
