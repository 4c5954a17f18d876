import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import alerts from '../infra/alerts.json' with { type: 'json' }
import { estimate, type Hosting, type Line, type Load, total } from './cost/estimate.ts'
import data from './cost/prices.json' with { type: 'json' }
import { timerRuns } from './cost/timer-runs.ts'

/** Prints what a month costs, by part, with the same load elsewhere beside it. */
const functions = join(import.meta.dirname, '..', 'functions')

const defaults = {
  ...{ validations: '10000000', keys: '50000', hosting: 'flex', 'memory-mb': '512', 'always-ready': '0' },
  ...{ 'uses-per-message': '1', 'private-network': false, 'telemetry-items': '5', 'log-cap-gb': '2', nodes: '2' },
}

const hostings: readonly string[] = ['flex', 'windowsConsumption', 'kubernetes'] satisfies Hosting[]

try {
  print(readLoad())
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function readLoad(): Load {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      typeof value === 'boolean' ? { type: 'boolean' as const } : { type: 'string' as const },
    ]),
  )
  const values: Readonly<Record<string, unknown>> = { ...defaults, ...parseArgs({ options }).values }
  const hosting = String(values.hosting)
  if (!hostings.includes(hosting)) throw new Error(`--hosting must be ${hostings.join(', ')}`)
  const count = (name: string, least: number) => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new Error(`--${name} must be a whole number of ${least} or more`)
  }
  const memoryMB = count('memory-mb', 512)
  if (![512, 2048, 4096].includes(memoryMB)) throw new Error('--memory-mb must be 512, 2048 or 4096')
  return {
    ...{ validations: count('validations', 0), keys: count('keys', 0), hosting: hosting as Hosting, memoryMB },
    ...{
      alwaysReady: count('always-ready', 0),
      usesPerMessage: count('uses-per-message', 1),
      nodes: count('nodes', 1),
    },
    ...{ telemetryItemsPerSecond: count('telemetry-items', 1), logDailyCapGb: count('log-cap-gb', 0) },
    privateNetwork: values['private-network'] === true,
    timerRuns: countTimerRuns(),
    alertMinutes: alerts.map(({ everyMinutes }) => everyMinutes),
  }
}

function countTimerRuns(): number {
  return readdirSync(functions)
    .flatMap((file) => /\bcron: '([^']+)'/.exec(readFileSync(join(functions, file), 'utf8'))?.[1] ?? [])
    .reduce((sum, cron) => sum + timerRuns(cron), 0)
}

function print(load: Load): void {
  const lines = estimate(load)
  const name =
    load.hosting === 'kubernetes'
      ? 'kubernetes'
      : `${load.hosting}${load.hosting === 'flex' ? `, ${load.memoryMB} MB` : ''}`
  process.stdout.write(
    [
      `${load.validations.toLocaleString('en-US')} validations a month, ${load.keys.toLocaleString('en-US')} keys, ${name}:`,
      ...lines.map(toText),
      `${'total'.padEnd(20)}${total(lines).toFixed(2).padStart(10)}  USD a month, by prices of ${data.checked}`,
      '',
      'The same load elsewhere, as published:',
      ...data.others.map((other) => elsewhere(other, load.validations)),
      '',
      'Validations that come evenly are the dearest: an idle instance bills its minimum. See docs/cost.md.',
      '',
    ].join('\n'),
  )
}

function toText({ part, usd, counted }: Line): string {
  return `${part.padEnd(20)}${usd.toFixed(2).padStart(10)}  ${counted}`
}

function elsewhere(
  { name, usdPerMillion, freeRequests, date, remark }: (typeof data.others)[number],
  requests: number,
): string {
  const billed = Math.max(0, requests - freeRequests)
  const usd = usdPerMillion === null ? 'not known' : ((billed / 1_000_000) * usdPerMillion).toFixed(2)
  return `${name.padEnd(34)}${usd.padStart(10)}  ${remark} (${date})`
}
