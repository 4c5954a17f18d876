import { setTimeout as wait } from 'node:timers/promises'
import pLimit from 'p-limit'
import { NewKeyView } from '../../shared/contracts/keys.ts'
import { type CallOptions, callApi } from './api-client.ts'
import { startAzurite } from './azurite.ts'
import { type LocalHost, startLocalHost } from './local-host.ts'
import { seededRandom } from './random.ts'
import { makeTestSettings } from './test-settings.ts'

export interface RevocationRunOptions {
  readonly seed: number
  readonly hosts: number
  readonly keys: number
  /** Of every two keys one is in use until it is refused everywhere; the other rests from before its revocation on. */
  readonly revokesPerSecond: number
  /** Callers of keys that nobody revokes, each one call after the other. */
  readonly bystanders: number
  /** How long one of the hosts is stopped (SIGSTOP) in the middle of it; 0: not at all. */
  readonly stoppedMs: number
}

export interface RevocationReport {
  readonly revoked: number
  /** For every key and host: how long after the reply to the revocation the last accepted use was sent; below 0: before. */
  readonly lastAcceptedMs: readonly number[]
  /** Uses that were sent more than the promised time after the reply, and accepted. */
  readonly tooLate: number
  /** Uses of the resting keys that were sent just after the promised time. */
  readonly restingUses: number
  readonly uses: number
  /** Answers that were no verdict. */
  readonly failures: Readonly<Record<string, number>>
}

type Host = LocalHost & { readonly baseUrl: string }

interface Target {
  readonly keyId: string
  readonly secret: string
  readonly rests: boolean
}

export const PROMISED_MS = 10_000
/** Between two uses of one key at one host. */
const PAUSE_MS = 700
const AT_ONCE = 16

/**
 * Instances on one store, and keys that every one of them knows: all of the keys are revoked, through one instance or
 * another, while they are used at all of them. A use counts by the moment when its request is sent.
 */
export async function runRevocations(options: RevocationRunOptions): Promise<RevocationReport> {
  const azurite = await startAzurite()
  const settings = makeTestSettings('relaxed')
  const env = {
    ...settings,
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    RATE_LIMIT_MAX_REQUESTS: '1000000',
  }
  const args = ['--quiet']
  const hosts = await Promise.all(Array.from({ length: options.hosts }, () => startLocalHost({ env, args })))
  try {
    return await revokeAll(options, hosts, settings.ADMIN_KEY)
  } finally {
    for (const host of hosts) host.kill('SIGKILL')
    await Promise.all(hosts.map((host) => host.exited))
    await azurite.stop()
  }
}

async function revokeAll(options: RevocationRunOptions, hosts: readonly Host[], credential: string) {
  const random = seededRandom(options.seed)
  const caller = callerOf(credential)
  const targets = await makeTargets(caller, hosts, options.keys)
  const spared = await makeTargets(caller, hosts, 20)
  const record = useRecord()
  let over = false
  const bystanders = Array.from({ length: options.bystanders }, async () => {
    while (!over) await use(caller, pick(hosts, random()), pick(spared, random()), record)
  })
  const stopped = stopOne(hosts, (options.keys / options.revokesPerSecond) * 500, options.stoppedMs)
  const lasts = await Promise.all(
    targets.map(async (target, index) => {
      await wait((index / options.revokesPerSecond) * 1000)
      return revokeAndUse(caller, hosts, target, { record, draw: random() })
    }),
  )
  await stopped
  over = true
  await Promise.all(bystanders)
  return { revoked: targets.length, lastAcceptedMs: lasts.flat(), ...record.report() }
}

/** How long after the reply each host last accepted a use of the key. */
async function revokeAndUse(
  caller: Caller,
  hosts: readonly Host[],
  target: Target,
  { record, draw }: { readonly record: UseRecord; readonly draw: number },
): Promise<readonly number[]> {
  const { promise: revoked, resolve } = Promise.withResolvers<number>()
  const useAt = target.rests ? useOnceLate : useUntilRefused
  const uses = hosts.map((host) => useAt(caller, host, target, { record, revoked }))
  // Uses are under way when it is revoked.
  await wait(PAUSE_MS)
  await caller(pick(hosts, draw), `POST /auth/keys/${target.keyId}/revoke`, { body: { reason: 'policy' } }, 200)
  resolve(performance.now())
  return Promise.all(uses)
}

interface Using {
  readonly record: UseRecord
  /** Resolves to when the reply to the revocation had come. */
  readonly revoked: Promise<number>
}

async function useUntilRefused(
  caller: Caller,
  host: Host,
  target: Target,
  { record, revoked }: Using,
): Promise<number> {
  const acceptedAtMs: number[] = []
  for (let code = ''; code !== 'REVOKED'; await wait(PAUSE_MS)) {
    const used = await use(caller, host, target, record)
    code = used.code
    if (code === 'VALID') acceptedAtMs.push(used.sentAtMs)
  }
  const revokedAtMs = await revoked
  const afterMs = acceptedAtMs.map((sentAtMs) => sentAtMs - revokedAtMs)
  record.tooLate(afterMs.filter((ms) => ms > PROMISED_MS).length)
  return Math.max(...afterMs)
}

/** A key that rested is used once, when the promised time is over. */
async function useOnceLate(caller: Caller, host: Host, target: Target, { record, revoked }: Using): Promise<number> {
  const revokedAtMs = await revoked
  await wait(PROMISED_MS + 1)
  const { code, sentAtMs } = await use(caller, host, target, record)
  record.resting()
  if (code !== 'VALID') return -Infinity
  record.tooLate(1)
  return sentAtMs - revokedAtMs
}

/** Keys that every host has in its memory. */
async function makeTargets(caller: Caller, hosts: readonly Host[], count: number): Promise<readonly Target[]> {
  return pLimit(AT_ONCE).map(Array.from({ length: count }).keys(), async (index): Promise<Target> => {
    const body = { provider_id: 'acme', environment: 'live', name: `key ${index}` }
    const reply = await caller(
      pick(hosts, (index % hosts.length) / hosts.length),
      'POST /auth/keys/generate',
      { body },
      201,
    )
    const { key_id: keyId, key } = reply.as(NewKeyView)
    const target = { keyId, secret: key ?? '', rests: index % 2 === 1 }
    for (const host of hosts) await caller(host, 'POST /auth/keys/validate', { body: { key: target.secret } }, 200)
    return target
  })
}

type Caller = ReturnType<typeof callerOf>

/** Calls a host, and throws where the answer has another status. */
function callerOf(credential: string) {
  return async (host: Host, call: `${string} /${string}`, options: CallOptions, status: number) => {
    const reply = await callApi(host.baseUrl, call, { credential, ...options })
    if (reply.status === status) return reply
    throw new Error(`${call} answered ${reply.status} ${reply.text.slice(0, 500)}`)
  }
}

/** One use of a key: its verdict, and when it was sent. */
async function use(caller: Caller, host: Host, { secret }: Target, record: UseRecord) {
  const sentAtMs = performance.now()
  try {
    const reply = await caller(host, 'POST /auth/keys/validate', { body: { key: secret } }, 200)
    const code = String((JSON.parse(reply.text) as { readonly code?: unknown }).code)
    record.use(code === 'VALID' || code === 'REVOKED' ? undefined : code)
    return { code, sentAtMs }
  } catch (error) {
    record.use(String(error).slice(0, 200))
    return { code: 'none', sentAtMs }
  }
}

type UseRecord = ReturnType<typeof useRecord>

function useRecord() {
  const failures: Record<string, number> = {}
  let [uses, tooLate, restingUses] = [0, 0, 0]
  return {
    use(failure: string | undefined) {
      uses++
      if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1
    },
    tooLate(count: number) {
      tooLate += count
    },
    resting: () => void restingUses++,
    report: () => ({ uses, tooLate, restingUses, failures }),
  }
}

/** Stops the last host for a while. */
async function stopOne(hosts: readonly Host[], afterMs: number, stoppedMs: number): Promise<void> {
  const host = hosts.at(-1)
  if (host === undefined || stoppedMs === 0) return
  await wait(afterMs)
  host.kill('SIGSTOP')
  await wait(stoppedMs)
  host.kill('SIGCONT')
}

function pick<Item>(items: readonly Item[], draw: number): Item {
  const item = items[Math.floor(draw * items.length)]
  if (item === undefined) throw new RangeError('nothing to pick')
  return item
}

/** Lines of a histogram of the last accepted uses, by second after the reply. */
export function histogram({ lastAcceptedMs }: RevocationReport): string {
  const seconds = lastAcceptedMs.map((ms) => Math.max(-1, Math.floor(ms / 1000)))
  const last = Math.max(...seconds, 0)
  const lines = Array.from({ length: last + 2 }, (_, index) => {
    const count = seconds.filter((second) => second === index - 1).length
    return `${index === 0 ? 'before' : `${index - 1} s`.padStart(6)} ${String(count).padStart(6)} ${'#'.repeat(Math.ceil((60 * count) / seconds.length))}`
  })
  return lines.join('\n')
}
