import { join } from 'node:path'
import { type Outcome, runCommand } from '../../../scripts/commands.ts'

const root = join(import.meta.dirname, '../../..')

/** Runs a script of the project as npm does, in this environment. */
export function runScript(name: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return runCommand(process.execPath, [join(root, 'scripts', name), ...args], { env, cwd: root, timeoutMs: 60_000 })
}
