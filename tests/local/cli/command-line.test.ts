import { expect, test } from 'vitest'
import { parseCommandLine } from '../../../local/cli/command-line.ts'
import { createLog, type LogLevel } from '../../../local/log.ts'

test('without arguments: port 7071, data in .local, the app in this folder', () => {
  const flags = { verbose: false, quiet: false, httpStreams: false, noDrain: false }
  expect(parseCommandLine([])).toEqual({ appDir: '.', port: 7071, dataDir: '.local', ...flags })
})

test('--http-streams keeps bodies in chunks', () => {
  expect(parseCommandLine(['--http-streams'])).toMatchObject({ httpStreams: true })
})

test('--memory uses no data folder, --data names another', () => {
  expect(parseCommandLine(['--memory'])).toMatchObject({ dataDir: undefined })
  expect(parseCommandLine(['--data', 'x'])).toMatchObject({ dataDir: 'x' })
})

test.each([
  [['--port', 'x'], /"x" is not a port/],
  [['--port', '65536'], /"65536" is not a port/],
  [['--port=-1'], /is not a port/],
  [['--port', '-1'], /^--port needs a number from 0 to 65535\. Try --help\.$/],
  [['--port'], /^--port needs a number/],
  [['--memory=yes'], /^--memory is not given as it should be/],
  [['--memory', '--data', 'x'], /not both/],
  [['--prot', '1'], /^--prot is not an option\. Try --help\.$/],
  [['run'], /^run is not expected.*--help/],
])('%j is refused with what is wrong', (args, message) => {
  expect(() => parseCommandLine(args)).toThrow(message)
})

test('the log shows debug lines only with --verbose, and nothing below warning with --quiet', () => {
  const levels: LogLevel[] = ['trace', 'debug', 'information', 'warning', 'error', 'critical']
  const shown = (verbose: boolean, quiet: boolean) => {
    const lines: string[] = []
    const log = createLog({ verbose, quiet }, (line) => void lines.push(line))
    for (const level of levels) log(level, 'x')
    return lines.map((line) => line.split(' ')[1])
  }
  expect(shown(false, false)).toEqual(['information', 'warning', 'error', 'critical'])
  expect(shown(true, false)).toEqual(levels)
  expect(shown(false, true)).toEqual(['warning', 'error', 'critical'])
})
