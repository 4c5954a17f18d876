import { ConfigError } from '../shared/runtime/config.ts'
import { parseCommandLine, USAGE } from './cli/command-line.ts'
import { formatWelcome } from './cli/welcome.ts'
import { HostError } from './errors.ts'
import { createLog } from './log.ts'
import { watchParent } from './parent-watch.ts'
import { type Session, startSession } from './session.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Under npm, one Ctrl-C arrives twice: from the terminal and forwarded by npm. */
const SAME_KEYSTROKE_MS = 500

async function main(): Promise<void> {
  const commandLine = parseCommandLine(process.argv.slice(2))
  if (commandLine === 'help') {
    process.stdout.write(USAGE)
    return
  }
  // The app's stack traces then name lines of the source instead of the bundle.
  process.setSourceMapsEnabled(true)
  const log = createLog(commandLine, (line) => process.stdout.write(line))
  const session = await startSession(commandLine, process.env, log, () => {
    process.stderr.write('Azurite does not stay up; the data cannot be reached.\n')
    process.exit(1)
  })
  stopOnSignals(session, commandLine.noDrain)
  process.stdout.write(formatWelcome(session))
}

/**
 * The first signal drains work in flight; a later one exits at once. The real host ignores SIGTERM until the platform
 * kills it, and never runs the hooks of the app: `noDrain` ends like that, without the wait.
 */
function stopOnSignals(session: Session, noDrain: boolean): void {
  let firstAtMs: number | undefined
  const onSignal = () => {
    firstAtMs ??= stop(session)
    if (performance.now() - firstAtMs > SAME_KEYSTROKE_MS) process.exit(130)
  }
  for (const signal of SIGNALS) process.on(signal, noDrain && signal === 'SIGTERM' ? killSelf : onSignal)
  // Only under npm: a host that a user detached from its shell outlives that shell.
  if (process.env.npm_lifecycle_event !== undefined) watchParent(onSignal)
}

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Returns when the stop began, by `performance.now()`. */
function stop(session: Session): number {
  process.stdout.write('\nStopping when work in flight has finished. Ctrl-C again stops at once.\n')
  session.stop().then((drained) => process.exit(drained ? 0 : 1), fail)
  return performance.now()
}

/** Prints one line for an error that the user can fix; any other error is a bug of this host and keeps its stack. */
function fail(error: unknown): never {
  const isExpected = error instanceof HostError || error instanceof ConfigError
  const text = isExpected ? error.message.split('\n').join('; ') : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`error: ${text}\n`)
  process.exit(1)
}

main().catch(fail)
