import { spawn } from 'node:child_process'

export interface Outcome {
  /** The exit code; 127 where the program is not installed, 124 after the timeout. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
  /** Shows the output while the program runs, instead of returning it. */
  readonly show?: boolean
}

/** Runs a program to its end and never throws. On Windows az, azd and npm are `.cmd` files, which only a shell starts. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const { env = process.env, cwd, input, timeoutMs = 15_000, show = false } = options
  const onWindows = process.platform === 'win32'
  const child = spawn(command, onWindows ? args.map(quoted) : [...args], {
    ...{ env, cwd, shell: onWindows, windowsHide: true },
    stdio: ['pipe', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input ?? '')
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill()
  }, timeoutMs)
  const code = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(127))
    child.on('close', (exitCode) => resolve(timedOut ? 124 : (exitCode ?? 1)))
  })
  clearTimeout(timer)
  return { code, ...output }
}

function quoted(argument: string): string {
  return /[\s"&|<>^]/.test(argument) ? `"${argument.replaceAll('"', '""')}"` : argument
}
