import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callApi } from '../tests/support/api-client.ts'
import { startLocalHost } from '../tests/support/local-host.ts'
import { makeTestSettings } from '../tests/support/test-settings.ts'
import { type LoadJob, type LoadReport, pinToCore, sendLoad } from './support/load.ts'
import { median, print, reportGoal, round } from './support/report.ts'

// Validation through the local host against a function in the same host that does nothing, and that against bare
// node:http. The server has one core, the load the other; the contestants take turns. `node bench/http.ts [seconds]
// [rounds]` of each turn. Run `npm run build` before.

const [seconds = 4, rounds = 7] = process.argv.slice(2).map(Number)
const CONNECTIONS = 64
const KEYS = 200
const BAD_SHARE_MAX = 0.01
const REPOSITORY = join(import.meta.dirname, '..')
const EMPTY_FUNCTION = `require('@azure/functions').app.http('empty', {
  methods: ['POST'], authLevel: 'anonymous', route: 'empty', handler: () => ({ body: 'ok' }),
})`

const stops: (() => Promise<unknown>)[] = []
try {
  const bare = await startBareServer()
  const usual = await startApp({})
  const relaxed = await startApp({ USAGE_DURABILITY: 'relaxed' })
  const contestants = {
    bare: jobFor(bare, '/', ['x']),
    empty: jobFor(usual.baseUrl, '/empty', usual.bodies),
    validate: jobFor(usual.baseUrl, '/auth/keys/validate', usual.bodies, usual.adminKey),
    relaxed: jobFor(relaxed.baseUrl, '/auth/keys/validate', relaxed.bodies, relaxed.adminKey),
  }
  const medians = await compare(contestants)
  reportGoal({ name: 'http-host', value: medians.empty / medians.bare, unit: 'x-bare-http', atLeast: 0.5 })
  reportGoal({ name: 'http-validate', value: medians.validate / medians.empty, unit: 'x-empty', atLeast: 0.8 })
  reportGoal({ name: 'http-validate-relaxed', value: medians.relaxed / medians.empty, unit: 'x-empty', atLeast: 0.8 })
} finally {
  for (const stop of stops.reverse()) await stop()
}

/** Requests per second of each: the median over the rounds, after one that only warms up. */
async function compare<Name extends string>(jobs: Readonly<Record<Name, LoadJob>>): Promise<Record<Name, number>> {
  const entries = Object.entries(jobs) as [Name, LoadJob][]
  const reports = new Map<Name, LoadReport[]>(entries.map(([name]) => [name, []]))
  for (let turn = 0; turn <= rounds; turn++) {
    for (const [name, job] of entries) {
      const report = await sendLoad(job)
      if (turn === 0) continue
      holdGood(name, report)
      reports.get(name)?.push(report)
    }
  }
  const result = entries.map(([name]) => {
    const [perSecond, p50, p99] = [
      median((reports.get(name) ?? []).map((report) => report.perSecond)),
      median((reports.get(name) ?? []).map(({ latencyMs }) => latencyMs.p50)),
      median((reports.get(name) ?? []).map(({ latencyMs }) => latencyMs.p99)),
    ]
    print(`${name}: ${Math.round(perSecond)} per second, p50 ${round(p50)} ms, p99 ${round(p99)} ms`)
    return [name, perSecond]
  })
  return Object.fromEntries(result)
}

/** On a machine that is busy with other things a store may answer too late for a use or two. */
function holdGood(name: string, { statuses, replies, broken }: LoadReport): void {
  const bad = broken + replies - (statuses['200'] ?? 0)
  if (bad > 0) print(`${name}: ${bad} bad answers: ${JSON.stringify(statuses)}, ${broken} broken connections`)
  if (bad > replies * BAD_SHARE_MAX) throw new Error(`Too many of the answers of ${name} are bad.`)
}

function jobFor(baseUrl: string, path: string, bodies: readonly string[], adminKey?: string): LoadJob {
  const headers = { 'content-type': 'application/json', ...(adminKey !== undefined && { 'x-api-key': adminKey }) }
  return {
    url: `${baseUrl}${path}`,
    method: 'POST',
    headers,
    bodies,
    connections: CONNECTIONS,
    durationMs: seconds * 1000,
  }
}

async function startBareServer(): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'support/processes/bare-server.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  stops.push(async () => {
    child.kill()
    await ended
  })
  const [line] = await once(child.stdout, 'data')
  pinToCore(child.pid ?? 0, 0)
  return String(line).trim()
}

/** The built app and the empty function in one host, and bodies that validate good keys. */
async function startApp(settings: Readonly<Record<string, string>>) {
  const { ADMIN_KEY, KEY_PEPPERS } = makeTestSettings()
  const host = await startLocalHost({ appDir: await makeApp(), env: { ADMIN_KEY, KEY_PEPPERS, ...settings } })
  stops.push(async () => {
    host.kill('SIGINT')
    await host.exited
  })
  pinToCore(host.pid, 0)
  const bodies: string[] = []
  while (bodies.length < KEYS) {
    const body = { provider_id: 'acme', environment: 'live', name: 'bench' }
    const reply = await callApi(host.baseUrl, 'POST /auth/keys/generate', { credential: ADMIN_KEY, body })
    bodies.push(JSON.stringify({ key: JSON.parse(reply.text).key, environment: 'live', client_ip: '203.0.113.7' }))
  }
  return { baseUrl: host.baseUrl, adminKey: ADMIN_KEY, bodies }
}

async function makeApp(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'auth-api-bench-'))
  stops.push(() => rm(folder, { recursive: true }))
  for (const name of ['node_modules', 'dist', 'host.json']) await symlink(join(REPOSITORY, name), join(folder, name))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ main: '{dist/main,empty}.cjs' }))
  await writeFile(join(folder, 'empty.cjs'), EMPTY_FUNCTION)
  return folder
}
