import { setTimeout } from 'node:timers/promises'
import { ValidationView } from '../../../shared/contracts/validate.ts'
import type { CallOptions } from '../requests/api-client.ts'
import { type Call, type OutageKey, unknownSecret } from '../worlds/outage-world.ts'
import type { UseLedger } from './use-ledger.ts'

/** What callers saw during one state of the store. */
export interface Seen {
  /** Known keys with the right verdict. */
  judged: number
  degraded: number
  readonly latenciesMs: number[]
  /** Replies for known keys without a verdict or with a wrong one: the first 20. */
  readonly wrong: string[]
  /** Unknown keys, by answer. */
  readonly unknown: Map<string, number>
  /** Malformed keys, by answer. */
  readonly malformed: Map<string, number>
  /** Callers with an unknown management key, by answer. */
  readonly strangers: Map<string, number>
  /** Calls without a reply: the host was being killed. */
  unreached: number
}

export function nothingSeen(): Seen {
  return {
    ...{ judged: 0, degraded: 0, unreached: 0, latenciesMs: [], wrong: [] },
    ...{ unknown: new Map(), malformed: new Map(), strangers: new Map() },
  }
}

export interface OutageLoad {
  readonly call: Call
  readonly keys: readonly OutageKey[]
  readonly ledger: UseLedger
  readonly random: () => number
  /** The record of the current state. */
  readonly seen: () => Seen
  /** Whether the load goes on. */
  readonly lasts: () => boolean
}

const WRONG_MAX = 20
const PAUSE_MS = 15
const PROBE_PAUSE_MS = 400
/** Stays below the failure budget of an address. */
const STRANGER_PAUSE_MS = 1600

/** Resolves when the load has ended and its last call is answered. */
export async function runLoad(load: OutageLoad, callers: number): Promise<void> {
  const validating = Array.from({ length: callers }, () => callAgain(load, PAUSE_MS, () => useKnownKey(load)))
  const ask = (pauseMs: number, options: () => CallOptions, answersOf: (seen: Seen) => Map<string, number>) =>
    callAgain(load, pauseMs, () => probe(load, options(), answersOf))
  const notAKey = { body: { key: 'not a key' } }
  await Promise.all([
    ...validating,
    ask(
      PROBE_PAUSE_MS,
      () => ({ body: { key: unknownSecret('live') } }),
      (seen) => seen.unknown,
    ),
    ask(
      PROBE_PAUSE_MS,
      () => notAKey,
      (seen) => seen.malformed,
    ),
    ask(
      STRANGER_PAUSE_MS,
      () => ({ ...notAKey, credential: unknownSecret('mgmt') }),
      (seen) => seen.strangers,
    ),
  ])
}

async function callAgain(load: OutageLoad, pauseMs: number, work: () => Promise<void>): Promise<void> {
  while (load.lasts()) {
    await work()
    await setTimeout(pauseMs * (0.5 + load.random()))
  }
}

async function useKnownKey(load: OutageLoad): Promise<void> {
  const key = load.keys[Math.floor(load.random() * load.keys.length)]
  if (key === undefined) throw new RangeError('no keys')
  const seen = load.seen()
  const sentAtMs = Date.now()
  const reply = await validate(load, { body: { key: key.secret, ...key.ask } })
  if (reply === undefined) {
    load.ledger.validation(key.keyId, false)
    seen.unreached++
    return
  }
  load.ledger.validation(key.keyId, reply.status === 200)
  const view = reply.status === 200 ? reply.as(ValidationView) : undefined
  const right = view !== undefined && key.rightCodes(sentAtMs, Date.now()).includes(view.code)
  if (!right && seen.wrong.length < WRONG_MAX) seen.wrong.push(`${reply.status} ${reply.text.slice(0, 300)}`)
  seen.judged += right ? 1 : 0
  seen.degraded += view?.degraded === true ? 1 : 0
  seen.latenciesMs.push(Date.now() - sentAtMs)
}

/** Records an answer only if the store stayed in one state from request to reply. */
async function probe(load: OutageLoad, options: CallOptions, answersOf: (seen: Seen) => Map<string, number>) {
  const before = load.seen()
  const reply = await validate(load, options)
  if (load.seen() !== before) return
  const answers = answersOf(before)
  const answer =
    reply === undefined ? 'unreached' : reply.status === 200 ? reply.as(ValidationView).code : String(reply.status)
  answers.set(answer, (answers.get(answer) ?? 0) + 1)
}

/** Undefined without a reply: the use may or may not have been counted. */
async function validate({ call }: OutageLoad, options: CallOptions) {
  return call('POST /auth/keys/validate', options).catch(() => undefined)
}
