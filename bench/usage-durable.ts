import { callApi } from '../tests/support/requests/api-client.ts'
import { startLocalHost } from '../tests/support/runs/local-host.ts'
import { makeTestSettings } from '../tests/support/runs/test-settings.ts'
import { type Contestant, compare } from './support/contest.ts'
import { pinToCore } from './support/load.ts'
import { reportGoal } from './support/report.ts'

// The cost of making a use durable before the answer: validation at 256 connections with `queue`, `local` and `strict`
// durability, against the same request as a dry run, which counts nothing. The servers take turns on one core; the load
// has the other. `node bench/usage-durable.ts [seconds] [rounds]`. Run `npm run build` first.

const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number)
const CONNECTIONS = 256
const KEYS = 200
/** On a busy machine the store answers too late for some uses; these do not count as answers. */
const BAD_SHARE_MAX = 0.2
/** Lets the uses of one turn be sent and counted before the next turn. */
const SETTLE_MS = 3000

const stops: (() => Promise<unknown>)[] = []
try {
  const [queue, local, strict] = [await startServer('queue'), await startServer('local'), await startServer('strict')]
  const contestants = {
    ...{ off: jobOf(queue, true), queue: jobOf(queue, false) },
    ...{ local: jobOf(local, false), strict: jobOf(strict, false) },
  }
  const medians = await compare(contestants, { rounds, restMs: SETTLE_MS, badShareMax: BAD_SHARE_MAX })
  reportGoal({ name: 'usage-queue', value: medians.queue / medians.off, unit: 'x-usage-off', atLeast: 0.7 })
  reportGoal({ name: 'usage-local', value: medians.local / medians.off, unit: 'x-usage-off', atLeast: 0.8 })
  reportGoal({ name: 'usage-strict', value: medians.strict / medians.off, unit: 'x-usage-off', atLeast: 0.65 })
} finally {
  for (const stop of stops.reverse()) await stop()
}

interface Server {
  readonly pid: number
  readonly baseUrl: string
  readonly adminKey: string
  readonly secrets: readonly string[]
}

async function startServer(durability: 'queue' | 'local' | 'strict'): Promise<Server> {
  const settings = makeTestSettings(durability)
  const host = await startLocalHost({ env: { ...settings }, args: ['--quiet'] })
  stops.push(async () => {
    host.kill('SIGINT')
    await host.exited
  })
  pinToCore(host.pid, 0)
  const secrets: string[] = []
  while (secrets.length < KEYS) {
    const body = { provider_id: 'acme', environment: 'live', name: 'bench' }
    const reply = await callApi(host.baseUrl, 'POST /auth/keys/generate', { credential: settings.ADMIN_KEY, body })
    secrets.push(JSON.parse(reply.text).key)
  }
  return { pid: host.pid, baseUrl: host.baseUrl, adminKey: settings.ADMIN_KEY, secrets }
}

function jobOf({ pid, baseUrl, adminKey, secrets }: Server, dryRun: boolean): Contestant {
  const bodies = secrets.map((key) => JSON.stringify({ key, endpoint: 'GET /orders', dry_run: dryRun }))
  const headers = { 'content-type': 'application/json', 'x-api-key': adminKey }
  const url = `${baseUrl}/auth/keys/validate`
  return { pid, job: { url, method: 'POST', headers, bodies, connections: CONNECTIONS, durationMs: seconds * 1000 } }
}
