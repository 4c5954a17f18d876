import { parseArgs } from 'node:util'
import { HostError } from '../errors.ts'

export type CommandLine = {
  appDir: string
  port: number
  /** The folder of the store and its settings; undefined with --memory. */
  dataDir: string | undefined
  verbose: boolean
  quiet: boolean
  httpStreams: boolean
  /** SIGTERM kills the process. */
  noDrain: boolean
}

export const USAGE = `Usage: npm start -- [options]

  --port N     listen on 127.0.0.1:N (default 7071; 0 takes any free port)
  --memory     keep nothing: store and settings live in memory
  --data DIR   keep store and settings in DIR (default .local)
  --app DIR    run the app in DIR (default: this folder)
  --verbose    log every run of a function, and what it logs at debug level
  --quiet      log warnings and errors only
  --http-streams
               pass on bodies sent in chunks, which the real host drops
  --no-drain   SIGTERM kills this process: nothing is finished, as at the end of the real host
  --help       show this text
`

/** Parses the arguments. Throws HostError that names what is wrong. */
export function parseCommandLine(args: readonly string[]): CommandLine | 'help' {
  const values = parse(args)
  if (values.help) return 'help'
  if (values.memory && values.data !== undefined) throw new HostError('Give --memory or --data, not both.')
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new HostError(`"${values.port}" is not a port: give a number from 0 to 65535.`)
  }
  return {
    appDir: values.app,
    port,
    dataDir: values.memory ? undefined : (values.data ?? '.local'),
    verbose: values.verbose,
    quiet: values.quiet,
    httpStreams: values['http-streams'],
    noDrain: values['no-drain'],
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        app: { type: 'string', default: '.' },
        port: { type: 'string', default: '7071' },
        memory: { type: 'boolean', default: false },
        data: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        'http-streams': { type: 'boolean', default: false },
        'no-drain': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new HostError(`${explain(error)} Try --help.`, { cause: error })
  }
}

/** Says in our words what `parseArgs` refused. */
function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const [, named = 'an argument'] = /'([^' ]+)/.exec(message) ?? []
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `${named} is not an option.`
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') return `${named} is not expected: options begin with --.`
  if (named === '--port') return '--port needs a number from 0 to 65535.'
  return `${named} is not given as it should be.`
}
