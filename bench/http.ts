import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callApi } from '../tests/support/requests/api-client.ts'
import { startLocalHost } from '../tests/support/runs/local-host.ts'
import { makeTestSettings } from '../tests/support/runs/test-settings.ts'
import { compare } from './support/contest.ts'
import { type LoadJob, pinToCore } from './support/load.ts'
import { reportGoal } from './support/report.ts'

// Validation through the local host against an empty function in the same host, and the empty function against bare
// node:http. The server has one core, the load the other; the contestants take turns. Also prints the CPU time per
// request, which depends less on other users of the machine. `node bench/http.ts [seconds] [rounds]`: the length and
// number of turns. Run `npm run build` first.

const [seconds = 4, rounds = 7] = process.argv.slice(2).map(Number)
const CONNECTIONS = 64
const KEYS = 200
const BAD_SHARE_MAX = 0.01
const VALIDATE = '/auth/keys/validate'
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
    bare: { pid: bare.pid, job: jobFor(bare.baseUrl, '/', ['x']) },
    empty: { pid: usual.pid, job: jobFor(usual.baseUrl, '/empty', usual.bodies) },
    validate: { pid: usual.pid, job: jobFor(usual.baseUrl, VALIDATE, usual.bodies, usual.adminKey) },
    relaxed: { pid: relaxed.pid, job: jobFor(relaxed.baseUrl, VALIDATE, relaxed.bodies, relaxed.adminKey) },
  }
  const medians = await compare(contestants, { rounds, restMs: 0, badShareMax: BAD_SHARE_MAX })
  reportGoal({ name: 'http-host', value: medians.empty / medians.bare, unit: 'x-bare-http', atLeast: 0.5 })
  reportGoal({ name: 'http-validate', value: medians.validate / medians.empty, unit: 'x-empty', atLeast: 0.8 })
  reportGoal({ name: 'http-validate-relaxed', value: medians.relaxed / medians.empty, unit: 'x-empty', atLeast: 0.8 })
} finally {
  for (const stop of stops.reverse()) await stop()
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

async function startBareServer() {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'support/processes/bare-server.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  stops.push(async () => {
    child.kill()
    await ended
  })
  const [line] = await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  pinToCore(pid, 0)
  return { pid, baseUrl: String(line).trim() }
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
  return { pid: host.pid, baseUrl: host.baseUrl, adminKey: ADMIN_KEY, bodies }
}

/** The built app is loaded last, so that its copy of @azure/functions makes the requests of both. */
async function makeApp(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'auth-api-bench-'))
  stops.push(() => rm(folder, { recursive: true }))
  for (const name of ['node_modules', 'dist', 'host.json']) await symlink(join(REPOSITORY, name), join(folder, name))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ main: '{bench-empty,dist/main}.cjs' }))
  await writeFile(join(folder, 'bench-empty.cjs'), EMPTY_FUNCTION)
  return folder
}
