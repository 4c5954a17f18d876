import { glob, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { prometheusRules } from '../../scripts/prometheus-rules.ts'
import { counters, gauges, histograms } from '../../shared/domain/metric-catalogue.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFile(join(root, file), 'utf8')

const Alerts = z.array(
  z.strictObject({
    name: z.string().regex(/^[a-z-]+$/),
    title: z.string().min(10),
    severity: z.int().min(0).max(4),
    everyMinutes: z.literal([5, 15, 60]),
    windowMinutes: z.literal([5, 15, 60]),
    query: z.string(),
    runbook: z.string(),
  }),
)

const alerts = Alerts.parse(JSON.parse(await read('infra/alerts.json')))
const operations = await read('docs/operations.md')
const functions = (await readdir(join(root, 'functions'))).map((file) => file.replace(/\.ts$/, ''))
const sources = await Array.fromAsync(glob('{shared,functions}/**/*.ts', { cwd: root }), read)

/** Alarms of docs/operations.md that have another name in Azure Monitor, or none, and why. */
const excused: Readonly<Record<string, string>> = {
  'breaker open': 'no log line tells of it; degraded and errors follow',
  'spool grows': 'no log line tells its age; usage-refused follows',
  'uses refused or dropped': 'usage-refused',
  'usage lags': 'no-roll-up',
  'clock skew': 'shows in /health/ready and the metrics only',
  'limits are local': 'degraded: the store is down',
}

describe('every alarm of Azure Monitor', () => {
  test.each(alerts)('$name leads to a heading of the runbook', ({ runbook }) => {
    const headings = [...operations.matchAll(/^##+ (.*)$/gm)].map(([, text = '']) =>
      text.toLowerCase().replaceAll(' ', '-'),
    )
    expect(headings).toContain(runbook)
  })

  test.each(alerts)('$name quotes only what the app logs, and names only its functions', ({ query }) => {
    expect(unknownIn(query)).toEqual([])
  })

  test.each(alerts)('$name weighs what is sampled', ({ name, query }) => {
    if (name !== 'log-cap') expect(query).toContain('ItemCount')
  })

  test.each(alerts)('$name looks at every moment', ({ everyMinutes, windowMinutes }) => {
    expect(windowMinutes).toBeGreaterThanOrEqual(everyMinutes)
  })

  test('has a name of its own', () => {
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length)
  })
})

test('every alarm of docs/operations.md is in infra/alerts.json, or is excused', () => {
  const table = operations.split(/^## Alarms$/m)[1]?.split(/^##+ /m)[0] ?? ''
  const names = [...table.matchAll(/^\| ([a-z -]+) \| /gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'alarm')
  expect(names.length).toBeGreaterThan(10)
  expect(
    names.filter((name) => !(name in excused) && !alerts.some((alert) => alert.name === name.replaceAll(' ', '-'))),
  ).toEqual([])
})

test('infra/prometheus-rules.yaml is the table of docs/operations.md: else `npm run infra:snapshots`', async () => {
  expect(await read('infra/prometheus-rules.yaml')).toBe(prometheusRules(operations))
})

describe('a planted fault is found', () => {
  test('an alarm on a message that is not logged', () => {
    expect(unknownIn("AppTraces | where Message has 'Usage does not reconcyle.'")).toEqual([
      'Usage does not reconcyle.',
    ])
  })

  test('an alarm on a function that does not exist', () => {
    expect(unknownIn("AppRequests | where Name == 'keys-validated'")).toEqual(['keys-validated'])
  })
})

describe('the dashboards', () => {
  test('ask Prometheus only for metrics that exist', async () => {
    const known = new Set([counters, gauges, histograms].flatMap((group) => Object.keys(group)))
    const named = [...(await read('infra/grafana.json')).matchAll(/\bauth_api_[a-z_]+/g)].map(([name]) =>
      name.replace(/_bucket$/, ''),
    )
    expect(named.length).toBeGreaterThan(15)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('quote only what the app logs', async () => {
    const { items } = JSON.parse(await read('infra/workbook.json')) as { items: { content: { query?: string } }[] }
    const queries = items.flatMap(({ content }) => content.query ?? [])
    expect(queries.length).toBeGreaterThan(8)
    expect(queries.flatMap(unknownIn)).toEqual([])
  })

  test.each(['infra/grafana.json', 'infra/workbook.json'])('%s shows the three promises first', async (file) => {
    const text = await read(file)
    const places = ['counted once', 'stops within 10 seconds', 'never exceeded', 'The service'].map((title) =>
      text.indexOf(title),
    )
    expect(places).not.toContain(-1)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })
})

/** The texts of a query that neither a function's name nor the source of the app contains. */
function unknownIn(query: string): string[] {
  const quoted = [...query.matchAll(/'([^']*)'/g)].map(([, text = '']) => text)
  return quoted.filter((text) => !isPlatform(text) && !functions.includes(text) && !isLogged(text))
}

/** Statuses, categories and metrics of the platform, and texts that a query makes itself. */
function isPlatform(text: string): boolean {
  const [, metric] = /^([a-z-]+) Successes$/.exec(text) ?? []
  return (
    /^(?:\d{1,3}|health|Ingestion|OverQuota| failed|)$/.test(text) ||
    (metric !== undefined && functions.includes(metric))
  )
}

/** A field of a log line as JSON, a message, or a code. */
function isLogged(text: string): boolean {
  const [, field] = /^"(\w+)"/.exec(text) ?? []
  const value = /^"\w+":"(\w+)"$/.exec(text)?.[1]
  const found = (part: string | undefined) => part === undefined || sources.some((source) => source.includes(part))
  return field === undefined ? sources.some((source) => source.includes(`'${text}`)) : found(field) && found(value)
}
