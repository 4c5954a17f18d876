import { type CommandOptions, type Outcome, runCommand } from '../commands.ts'

/** What a check found. A failure says how to cure it. */
export type Finding =
  | { readonly state: 'ok' | 'skip'; readonly finding: string }
  | { readonly state: 'FAIL'; readonly finding: string; readonly cure: string }

/** What a check may look at: the checkout, the environment, and programs on the PATH of that environment. */
export interface Surroundings {
  readonly root: string
  readonly env: NodeJS.ProcessEnv
  readonly nodeVersion: string
  readonly run: (command: string, args: readonly string[], options?: CommandOptions) => Promise<Outcome>
}

export interface Check {
  readonly name: string
  readonly look: (here: Surroundings) => Promise<Finding>
}

export interface Checked {
  readonly name: string
  readonly finding: Finding
}

export function surroundings(root: string, env: NodeJS.ProcessEnv): Surroundings {
  return {
    ...{ root, env, nodeVersion: process.versions.node },
    run: (command, args, options) => runCommand(command, args, { env, cwd: root, ...options }),
  }
}

export const ok = (finding: string): Finding => ({ state: 'ok', finding })
export const skip = (finding: string): Finding => ({ state: 'skip', finding })
export const fail = (finding: string, cure: string): Finding => ({ state: 'FAIL', finding, cure })

/** Runs every check, one after the other. A check that breaks is a failure of its own, never the end of the others. */
export async function runChecks(checks: readonly Check[], here: Surroundings): Promise<readonly Checked[]> {
  const done: Checked[] = []
  for (const { name, look } of checks) {
    const finding = await look(here).catch((error: unknown) =>
      fail(`the check broke: ${error instanceof Error ? error.message : String(error)}`, 'see the message'),
    )
    done.push({ name, finding })
  }
  return done
}

/** One line per check, and a line with the cure below each failure. */
export function toTable(checked: readonly Checked[]): string {
  const width = Math.max(...checked.map(({ name }) => name.length))
  const lines = checked.flatMap(({ name, finding }) => [
    `${finding.state.padEnd(4)}  ${name.padEnd(width)}  ${finding.finding}`,
    ...(finding.state === 'FAIL' ? [`${' '.repeat(6 + width)}  cure: ${finding.cure}`] : []),
  ])
  return `${lines.join('\n')}\n`
}

/** Looks at a program by one command: its success, or why it is none. */
export function commandCheck(
  name: string,
  [command = '', ...args]: readonly string[],
  { good, cure, install }: { readonly good: string; readonly cure: string; readonly install: string },
): Check {
  return {
    name,
    async look({ run }) {
      const { code, stderr } = await run(command, args)
      if (code === 0) return ok(good)
      if (code === 127) return fail(`${command} is not installed`, install)
      if (code === 124) return fail(`${command} did not answer within 15 s`, cure)
      return fail(stderr.trim().split('\n').at(-1) || `${command} ended with code ${code}`, cure)
    },
  }
}
