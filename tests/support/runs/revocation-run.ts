import { setTimeout as wait } from 'node:timers/promises'
import pLimit from 'p-limit'
import { NewKeyView } from '../../../shared/contracts/keys.ts'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import { callApi, type Reply } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import { seededRandom } from '../samples/random.ts'
import { startAzurite } from './azurite.ts'
import { type LocalHost, startLocalHost } from './local-host.ts'
import { makeTestSettings } from './test-settings.ts'

export interface RevocationRunOptions {
  readonly seed: number
  readonly hosts: number
  /** Every other key is used until it is refused everywhere; the rest stay unused from before their revocation on. */
  readonly keys: number
  readonly revokesPerSecond: number
  /** Callers of keys that are never revoked, each sequentially. */
  readonly bystanders: number
  /** How long one host is stopped (SIGSTOP) in the middle of the run; 0: not at all. */
  readonly stoppedMs: number
}

export interface RevocationReport extends ReturnType<UseRecord['report']> {
  readonly revoked: number
  /** Per key and host: when the last accepted use was sent, after the reply to the revocation; negative: before it. */
  readonly lastAcceptedMs: readonly number[]
}

export const PROMISED_MS = 10_000
/** Between two uses of one key at one host. */
const PAUSE_MS = 700
const AT_ONCE = 6
const SPARED = 20

/** The connection failed, as with a stopped host. */
export const NO_REPLY = 'no reply'

type Host = LocalHost & { readonly baseUrl: string }

/** Instances of one app, and the record of their answers. */
interface World {
  readonly hosts: readonly Host[]
  readonly credential: string
  readonly random: () => number
  readonly record: UseRecord
}

interface Target {
  readonly keyId: string
  readonly secret: string
}

/**
 * Instances on one store, all with the same keys cached. Every key is revoked through some instance while it is used at
 * all of them. A use counts by the time its request was sent.
 */
export async function runRevocations(options: RevocationRunOptions): Promise<RevocationReport> {
  const azurite = await startAzurite()
  const settings = makeTestSettings('relaxed')
  const env = {
    ...settings,
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    RATE_LIMIT_MAX_REQUESTS: '1000000',
  }
  const start = () => startLocalHost({ env, args: ['--quiet'] })
  const hosts = await Promise.all(Array.from({ length: options.hosts }, start))
  try {
    const random = seededRandom(options.seed)
    return await revokeAll({ hosts, credential: settings.ADMIN_KEY, random, record: useRecord() }, options)
  } finally {
    for (const host of hosts) host.kill('SIGKILL')
    await Promise.all(hosts.map((host) => host.exited))
    await azurite.stop()
  }
}

async function revokeAll(world: World, options: RevocationRunOptions): Promise<RevocationReport> {
  const { keys, revokesPerSecond, stoppedMs } = options
  const targets = await makeTargets(world, keys)
  const spared = await makeTargets(world, SPARED)
  let over = false
  const bystanders = Array.from({ length: options.bystanders }, async () => {
    while (!over) await use(world, pick(world, world.hosts), pick(world, spared))
  })
  const stopped = stopOne(world, (keys / revokesPerSecond) * 500, stoppedMs)
  const lasts = await Promise.all(
    targets.map(async (target, index) => {
      await wait((index / revokesPerSecond) * 1000)
      return revokeAndUse(world, target, index % 2 === 0 ? useUntilRefused : useAfterDeadline)
    }),
  )
  await stopped
  over = true
  await Promise.all(bystanders)
  return { revoked: targets.length, lastAcceptedMs: lasts.flat(), ...world.record.report() }
}

/** Uses a key at a host. Resolves to how long after `revoked` the last accepted use was sent. */
type UseAt = (world: World, host: Host, target: Target, revoked: Promise<number>) => Promise<number>

async function revokeAndUse(world: World, target: Target, useAt: UseAt): Promise<readonly number[]> {
  const { promise: revoked, resolve } = Promise.withResolvers<number>()
  const uses = world.hosts.map((host) => useAt(world, host, target, revoked))
  // The revocation comes while uses are under way.
  await wait(PAUSE_MS)
  await callUntil(world, pick(world, world.hosts), `POST /auth/keys/${target.keyId}/revoke`, { reason: 'policy' }, 200)
  resolve(performance.now())
  return Promise.all(uses)
}

async function useUntilRefused(...[world, host, target, revoked]: Parameters<UseAt>): Promise<number> {
  const acceptedAtMs: number[] = []
  for (let code = ''; code !== 'REVOKED'; await wait(PAUSE_MS)) {
    const used = await use(world, host, target)
    code = used.code
    if (code === 'VALID') acceptedAtMs.push(used.sentAtMs)
  }
  const revokedAtMs = await revoked
  const afterMs = acceptedAtMs.map((sentAtMs) => sentAtMs - revokedAtMs)
  world.record.tooLate(afterMs.filter((ms) => ms > PROMISED_MS).length)
  return Math.max(...afterMs)
}

/** Does not use the key until the promised time is over. */
async function useAfterDeadline(...[world, host, target, revoked]: Parameters<UseAt>): Promise<number> {
  const revokedAtMs = await revoked
  await wait(PROMISED_MS + 1)
  const { code, sentAtMs } = await poll(async () => {
    const used = await use(world, host, target)
    return used.code !== NO_REPLY && used
  }, 120_000)
  world.record.resting()
  if (code !== 'VALID') return -Infinity
  world.record.tooLate(1)
  return sentAtMs - revokedAtMs
}

/** Makes keys that every host has cached. */
async function makeTargets(world: World, count: number): Promise<readonly Target[]> {
  return pLimit(AT_ONCE).map(Array.from({ length: count }).keys(), async (index): Promise<Target> => {
    const body = { provider_id: 'acme', environment: 'live', name: `key ${index}` }
    const reply = await callUntil(world, pick(world, world.hosts), 'POST /auth/keys/generate', body, 201)
    const { key_id: keyId, key: secret } = reply.as(NewKeyView)
    if (secret === null) throw new Error('A new key came without its secret.')
    for (const host of world.hosts) await callUntil(world, host, 'POST /auth/keys/validate', { key: secret }, 200)
    return { keyId, secret }
  })
}

/** Retries until the reply has this status: during the start the store may be slow, and a 202 becomes a 200. */
async function callUntil(
  { credential }: World,
  host: Host,
  call: `${string} /${string}`,
  body: unknown,
  status: number,
): Promise<Reply> {
  return poll(async () => {
    const reply = await callApi(host.baseUrl, call, { credential, body }).catch(() => undefined)
    if (reply?.status === status) return reply
    if (reply === undefined || reply.status === 202 || reply.status === 503) return undefined
    throw new Error(`${call} answered ${reply.status} ${reply.text}`)
  }, 120_000)
}

/** Uses a key once. Resolves to the verdict and the time the request was sent. */
async function use({ credential, record }: World, host: Host, { secret }: Target) {
  const sentAtMs = performance.now()
  const request = callApi(host.baseUrl, 'POST /auth/keys/validate', { credential, body: { key: secret } })
  const reply = await request.catch(() => undefined)
  const view = reply?.status === 200 ? reply.as(ValidationView) : undefined
  const code = view?.code ?? String(reply?.status ?? NO_REPLY)
  record.use(code, view?.degraded === true)
  return { code, sentAtMs }
}

type UseRecord = ReturnType<typeof useRecord>

function useRecord() {
  const answers: Record<string, number> = {}
  let [tooLate, restingUses, degraded] = [0, 0, 0]
  return {
    use(code: string, isDegraded: boolean) {
      answers[code] = (answers[code] ?? 0) + 1
      if (isDegraded) degraded++
    },
    tooLate(uses: number) {
      tooLate += uses
    },
    resting: () => void restingUses++,
    report: () => ({
      /** By verdict, else by status. */
      answers: { ...answers },
      /** Degraded answers, given while the store was down. */
      degraded,
      /** Accepted uses that were sent later than the promised time after the reply. */
      tooLate,
      /** Uses of the unused half of the keys, just after the promised time. */
      restingUses,
    }),
  }
}

/** Stops the last host for a while. */
async function stopOne({ hosts }: World, afterMs: number, stoppedMs: number): Promise<void> {
  const host = hosts.at(-1)
  if (host === undefined || stoppedMs === 0) return
  await wait(afterMs)
  host.kill('SIGSTOP')
  await wait(stoppedMs)
  host.kill('SIGCONT')
}

function pick<Item>({ random }: World, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new RangeError('There is nothing to pick.')
  return item
}

/** The last accepted uses, by second after the reply: one line each. */
export function histogram({ lastAcceptedMs }: RevocationReport): string {
  const seconds = lastAcceptedMs.map((ms) => Math.max(-1, Math.floor(ms / 1000)))
  const countOf = (wanted: number) => seconds.filter((second) => second === wanted).length
  const line = (name: string, count: number) =>
    `${name.padStart(10)} ${String(count).padStart(6)} ${'#'.repeat(Math.ceil((60 * count) / seconds.length))}`
  const after = Array.from({ length: Math.max(0, ...seconds) + 1 }, (_, second) => line(`${second} s`, countOf(second)))
  return [line('none after', countOf(-1)), ...after].join('\n')
}
