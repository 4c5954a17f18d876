import { setTimeout } from 'node:timers/promises'
import { callApi } from '../tests/support/api-client.ts'
import { startLocalHost } from '../tests/support/local-host.ts'
import { makeTestSettings } from '../tests/support/test-settings.ts'
import { readCpuTimeUs } from './support/cpu-time.ts'
import { COUNTED_SHARE, type LoadJob, type LoadReport, pinToCore, sendLoad } from './support/load.ts'
import { median, print, reportGoal, round } from './support/report.ts'

// What it costs to make a use safe before the answer leaves: validation at 256 connections with `local` and with `strict`
// durability against the same server with the same request as a dry run, which counts nothing. One server has one core
// and its turn; the load has the other. `node bench/usage-durable.ts [seconds] [rounds]`. Run `npm run build` before.

const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number)
const CONNECTIONS = 256
const KEYS = 200
/** A busy machine makes the store answer too late for some uses; they are not counted as answers. */
const BAD_SHARE_MAX = 0.2
/** What a turn left to be sent and counted is not to cost the next one. */
const SETTLE_MS = 3000

const stops: (() => Promise<unknown>)[] = []
try {
  const [local, strict] = [await startServer('local'), await startServer('strict')]
  const contestants = { off: jobOf(local, true), local: jobOf(local, false), strict: jobOf(strict, false) }
  const medians = await compare(contestants)
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

interface Contestant {
  readonly pid: number
  readonly job: LoadJob
}

interface Turn extends LoadReport {
  readonly cpuUsPerRequest: number
}

async function startServer(durability: 'local' | 'strict'): Promise<Server> {
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

/** Requests per second of each: the median over the rounds, after one that only warms up. */
async function compare(contestants: Readonly<Record<'off' | 'local' | 'strict', Contestant>>) {
  const turns = { off: [] as Turn[], local: [] as Turn[], strict: [] as Turn[] }
  for (let turn = 0; turn <= rounds; turn++) {
    for (const name of ['off', 'local', 'strict'] as const) {
      const taken = await takeTurn(contestants[name])
      if (turn > 0) turns[name].push(holdGood(name, taken))
      await setTimeout(SETTLE_MS)
    }
  }
  const summary = (name: keyof typeof turns) => summarize(name, turns[name])
  return { off: summary('off'), local: summary('local'), strict: summary('strict') }
}

async function takeTurn({ pid, job }: Contestant): Promise<Turn> {
  const before = readCpuTimeUs(pid)
  const report = await sendLoad(job)
  return { ...report, cpuUsPerRequest: ((readCpuTimeUs(pid) - before) / report.replies) * COUNTED_SHARE }
}

/** Only verdicts count. Throws where too many answers were none. */
function holdGood(name: string, turn: Turn): Turn {
  const good = turn.statuses['200'] ?? 0
  const bad = turn.broken + turn.replies - good
  if (bad > 0) print(`${name}: ${bad} bad answers: ${JSON.stringify(turn.statuses)}, ${turn.broken} broken connections`)
  if (bad > turn.replies * BAD_SHARE_MAX) throw new Error(`Too many of the answers of ${name} are bad.`)
  return { ...turn, perSecond: (turn.perSecond * good) / turn.replies }
}

function summarize(name: string, turns: readonly Turn[]): number {
  const perSecond = median(turns.map((turn) => turn.perSecond))
  const cpuUs = round(median(turns.map((turn) => turn.cpuUsPerRequest)))
  const [p50, p99] = [
    round(median(turns.map(({ latencyMs }) => latencyMs.p50))),
    round(median(turns.map(({ latencyMs }) => latencyMs.p99))),
  ]
  print(`${name}: ${Math.round(perSecond)} per second, ${cpuUs} µs of CPU each, p50 ${p50} ms, p99 ${p99} ms`)
  return perSecond
}
