import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { NewKeyView } from '../shared/contracts/keys.ts'
import { ProviderUsageView } from '../shared/contracts/usage.ts'
import { BatchValidationView } from '../shared/contracts/validate.ts'
import { callApi } from '../tests/support/requests/api-client.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { startLocalHost } from '../tests/support/runs/local-host.ts'
import { countMessages } from '../tests/support/runs/store-contents.ts'
import { makeTestSettings } from '../tests/support/runs/test-settings.ts'
import { print, reportGoal, round } from './support/report.ts'

// One host under a steady rate of uses, with the heap of a small instance, then at twice the rate. By default 60 s of 500
// uses a second: `node bench/soak.ts [seconds] [per second] [keys] [endpoints] [queue|local]`; 600 s is the whole soak.

const [seconds = 60, perSecond = 500, keyCount = 3000, endpoints = 40] = process.argv.slice(2, 6).map(Number)
const durability = process.argv[6] === 'local' ? 'local' : 'queue'
const HEAP_MB = 256
const PER_CALL = 50
/** Calls that wait for an answer, at most: the load waits too, so the rate that was reached is printed. */
const CALLS_MAX = 8
const DRAIN_MS = 60_000
const SAMPLE_MS = 1000
const PROVIDER = 'acme'
const keyBody = { provider_id: PROVIDER, environment: 'live', name: 'soak' }

interface Phase {
  acknowledged: number
  refused: number
  unexplained: number
  degraded: number
}

const azurite = await startAzurite()
const settings = makeTestSettings(durability)
const env = {
  ...settings,
  ...{ AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString, NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
  ...{ DB_PATH: `/tmp/auth-api-soak-${randomUUID()}`, RATE_LIMIT_MAX_REQUESTS: '1000000' },
}
const host = await startLocalHost({ env, args: ['--quiet'] })
try {
  const secrets = await makeKeys()
  const sampler = startSampler()
  const steady = await run(secrets, perSecond, seconds)
  const drainedAfterMs = await drain()
  const steadySamples = sampler.take()
  const double = await run(secrets, 2 * perSecond, Math.max(10, seconds / 3))
  const drainedAgainMs = await drain()
  sampler.stop()
  report({ steady, double, drainedAfterMs, drainedAgainMs, steadySamples, counted: await countUses() })
} finally {
  host.kill('SIGINT')
  await host.exited
  await azurite.stop()
}

function call(request: `${string} /${string}`, body?: unknown) {
  return callApi(host.baseUrl, request, { credential: settings.ADMIN_KEY, ...(body === undefined ? {} : { body }) })
}

async function makeKeys(): Promise<readonly string[]> {
  const secrets: string[] = []
  while (secrets.length < keyCount) {
    const make = async () => (await call('POST /auth/keys/generate', keyBody)).as(NewKeyView).key ?? ''
    secrets.push(...(await Promise.all(Array.from({ length: 16 }, make))))
  }
  return secrets.slice(0, keyCount)
}

async function run(secrets: readonly string[], rate: number, forSeconds: number): Promise<Phase> {
  const phase: Phase = { acknowledged: 0, refused: 0, unexplained: 0, degraded: 0 }
  const startMs = performance.now()
  const inFlight = new Set<Promise<void>>()
  const totalCalls = Math.round((rate * forSeconds) / PER_CALL)
  for (let sent = 0; sent < totalCalls && performance.now() - startMs < 1.5 * forSeconds * 1000; sent++) {
    const dueMs = startMs + (sent * PER_CALL * 1000) / rate
    if (dueMs > performance.now()) await setTimeout(dueMs - performance.now())
    while (inFlight.size >= CALLS_MAX) await Promise.race(inFlight)
    const sending = useSome(secrets, phase).finally(() => inFlight.delete(sending))
    inFlight.add(sending)
  }
  await Promise.all(inFlight)
  const reached = phase.acknowledged / ((performance.now() - startMs) / 1000)
  print(`${rate} a second for ${forSeconds} s: ${round(reached)} a second reached, ${JSON.stringify(phase)}`)
  return phase
}

async function useSome(secrets: readonly string[], phase: Phase): Promise<void> {
  const requests = Array.from({ length: PER_CALL }, () => ({
    key: secrets[Math.floor(Math.random() * secrets.length)],
    endpoint: `GET /${Math.floor(Math.random() * endpoints)}`,
  }))
  const reply = await call('POST /auth/keys/batch/validate', { requests })
  if (reply.status !== 200) {
    if ((reply.status === 503 || reply.status === 429) && reply.headers.has('retry-after')) phase.refused += PER_CALL
    else phase.unexplained += PER_CALL
    await setTimeout(100)
    return
  }
  const { results } = reply.as(BatchValidationView)
  phase.acknowledged += results.length
  phase.degraded += results.filter(({ degraded }) => degraded).length
}

/** Resolves to how long it took until neither the spool nor the queue held a message; gives up after three times that. */
async function drain(): Promise<number> {
  const startMs = performance.now()
  while (performance.now() - startMs < 3 * DRAIN_MS) {
    const { spooled } = readGauges((await call('GET /metrics')).text)
    if (spooled === 0 && (await countMessages(azurite.connectionString)) === 0) break
    await setTimeout(500)
  }
  return performance.now() - startMs
}

function startSampler() {
  let samples: ReturnType<typeof readGauges>[] = []
  let stopped = false
  const sample = async () => {
    while (!stopped) {
      samples.push(readGauges((await call('GET /metrics')).text))
      await setTimeout(SAMPLE_MS)
    }
  }
  void sample().catch(() => undefined)
  return {
    take: () => {
      const taken = samples
      samples = []
      return taken
    },
    stop: () => {
      stopped = true
    },
  }
}

function readGauges(text: string) {
  const all = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'gm'))].map(([, n]) => Number(n))
  const open = [...text.matchAll(/^auth_api_breaker_state\{dependency="(\w+)".*\} 2$/gm)].map(([, name = '']) => name)
  return {
    residentMb: (all('auth_api_resident_memory_bytes')[0] ?? 0) / 1024 / 1024,
    spooled: all('auth_api_spool_bytes')[0] ?? Number.NaN,
    open,
  }
}

/** Rolls up until the total stands still. */
async function countUses(): Promise<number> {
  let [total, still] = [-1, 0]
  while (still < 3) {
    await call('POST /admin/functions/usage-roll-up', { input: '' })
    await setTimeout(3000)
    const { totals } = (await call(`GET /auth/usage?provider_id=${PROVIDER}`)).as(ProviderUsageView)
    still = totals.total === total ? still + 1 : 0
    total = totals.total
  }
  return total
}

interface Findings {
  readonly steady: Phase
  readonly double: Phase
  readonly drainedAfterMs: number
  readonly drainedAgainMs: number
  readonly steadySamples: readonly ReturnType<typeof readGauges>[]
  readonly counted: number
}

function report({ steady, double, drainedAfterMs, drainedAgainMs, steadySamples, counted }: Findings): void {
  const resident = steadySamples.map(({ residentMb }) => residentMb)
  const fifth = Math.ceil(resident.length / 5)
  const [early, late] = [Math.max(...resident.slice(0, fifth)), Math.max(...resident.slice(fifth))]
  const open = new Set(steadySamples.flatMap((sample) => sample.open))
  const spooledMb = Math.max(0, ...steadySamples.map(({ spooled }) => spooled)) / 1024 / 1024
  print(
    `resident: ${round(early)} MB in the first fifth, ${round(late)} MB after it; spool ${round(spooledMb)} MB at most`,
  )
  if (open.size > 0) print(`breakers that opened: ${[...open].join(', ')}`)
  reportGoal({ name: 'soak-growth', value: late / early, unit: 'x-memory-of-first-fifth', atMost: 1.1 })
  reportGoal({ name: 'soak-breakers', value: open.size, unit: 'breakers-opened', atMost: 0 })
  reportGoal({ name: 'soak-drained', value: drainedAfterMs / 1000, unit: 's-until-empty', atMost: DRAIN_MS / 1000 })
  reportGoal({
    name: 'soak-double-drained',
    value: drainedAgainMs / 1000,
    unit: 's-until-empty',
    atMost: DRAIN_MS / 1000,
  })
  const promised = steady.acknowledged + double.acknowledged
  const possible = promised + steady.refused + double.refused + steady.unexplained + double.unexplained
  reportGoal({ name: 'soak-lost', value: Math.max(0, promised - counted), unit: 'acknowledged-uses', atMost: 0 })
  reportGoal({ name: 'soak-twice', value: Math.max(0, counted - possible), unit: 'uses', atMost: 0 })
  const unexplained = steady.unexplained + double.unexplained
  reportGoal({ name: 'soak-unexplained', value: unexplained, unit: 'uses-refused-without-retry-after', atMost: 0 })
}
