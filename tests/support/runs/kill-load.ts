import { setTimeout } from 'node:timers/promises'
import { PushView } from '../../../shared/contracts/usage.ts'
import { BatchValidationView, ValidationView } from '../../../shared/contracts/validate.ts'
import type { CallOptions, Reply } from '../requests/api-client.ts'
import { poll } from '../samples/poll.ts'
import type { Fleet } from './fleet.ts'
import type { UseLedger } from './use-ledger.ts'

export interface KillRunOptions {
  readonly seed: number
  readonly hosts: number
  readonly durability: 'queue' | 'strict' | 'local'
  /** The share of the kills that take the disk of the host along. Without any, all hosts share one folder. */
  readonly diskLossShare: number
  /** How long the load and the kills last. */
  readonly loadMs: number
  /** The mean pause between two kills. */
  readonly killEveryMs: number
  /** Callers that validate, and callers that push, each sequentially. */
  readonly validators: number
  readonly pushers: number
  readonly eventsPerPush: number
  /** The longest time from the end of the load until all uses are counted. */
  readonly drainMs: number
}

export interface TestKey {
  readonly keyId: string
  readonly secret: string
}

export interface Run {
  readonly options: KillRunOptions
  readonly fleet: Fleet
  /** The folders of the SQLite files. */
  readonly disks: ReadonlySet<string>
  /** Hosts that answered for uses. */
  readonly answered: Set<string>
  readonly tally: { degraded: number; disksLost: number; disksTaken: number }
  readonly adminKey: string
  readonly ledger: UseLedger
  readonly random: () => number
  /** Calls a random host unless one is named. */
  readonly call: (request: `${string} /${string}`, options?: CallOptions, baseUrl?: string) => Promise<Reply>
  readonly endsAtMs: number
}

const KEYS_PER_BATCH = 25

/** Only a verdict acknowledges a use: a 503 or a cut connection promises nothing. */
export async function validate(run: Run, keys: readonly TestKey[]): Promise<void> {
  const { ledger, random, endsAtMs } = run
  while (Date.now() < endsAtMs) {
    const used = Array.from({ length: random() < 0.5 ? 1 : KEYS_PER_BATCH }, () => pick(keys, random))
    const verdicts = await validateAll(run, used).catch(() => undefined)
    used.forEach(({ keyId }, index) => {
      const verdict = verdicts?.[index]
      if (verdict?.degraded) run.tally.degraded++
      ledger.validation(keyId, verdict !== undefined && !(verdict.degraded && run.options.diskLossShare > 0))
    })
    const refused = verdicts?.find(({ code }) => code !== 'VALID')
    if (refused !== undefined) throw new Error(`A good key was refused: ${refused.code}`)
    if (verdicts === undefined) await setTimeout(20)
  }
}

/** The verdicts on all keys; undefined when the service returned none. */
async function validateAll(
  { fleet, call, random, answered }: Run,
  keys: readonly TestKey[],
): Promise<readonly ValidationView[] | undefined> {
  const { baseUrl } = fleet.pick(random())
  const requests = keys.map(({ secret }) => ({ key: secret, endpoint: `GET /${Math.floor(random() * 5)}` }))
  if (requests.length === 1) {
    const reply = await call('POST /auth/keys/validate', { body: requests[0] }, baseUrl)
    if (reply.status === 200) answered.add(baseUrl)
    return reply.status === 200 ? [reply.as(ValidationView)] : undefined
  }
  const reply = await call('POST /auth/keys/batch/validate', { body: { requests } }, baseUrl)
  if (reply.status === 200) answered.add(baseUrl)
  return reply.status === 200 ? reply.as(BatchValidationView).results : undefined
}

export async function push(run: Run, pusher: number, keys: readonly TestKey[]): Promise<readonly string[]> {
  const batchIds: string[] = []
  while (Date.now() < run.endsAtMs) {
    const batchId = `batch-${pusher}-${String(batchIds.length + 1).padStart(5, '0')}`
    await pushUntilAccepted(run, batchId, keys)
    batchIds.push(batchId)
  }
  return batchIds
}

/** Retries a batch until a host accepts it: after a cut connection it may be stored already. */
async function pushUntilAccepted({ call, ledger, random, options }: Run, batchId: string, keys: readonly TestKey[]) {
  const uses = new Map<string, number>()
  const events = Array.from({ length: options.eventsPerPush }, () => {
    const { keyId } = pick(keys, random)
    uses.set(keyId, (uses.get(keyId) ?? 0) + 1)
    // Up to a day old, so that the uses spread over two days and all hours.
    const at = new Date(Date.now() - random() * 86_400_000).toISOString()
    return { key_id: keyId, at, endpoint: `GET /${Math.floor(random() * 5)}`, status: random() < 0.1 ? 500 : 200 }
  })
  const send = async () => {
    const path = 'POST /auth/keys/batch/usage?provider_id=acme' as const
    const reply = await call(path, { body: { batch_id: batchId, events } }).catch(() => undefined)
    if (reply !== undefined && reply.status < 500 && reply.status !== 202) throw new Error(reply.text)
    return reply?.status === 202 && reply
  }
  const accepted = (await poll(send, options.loadMs + options.drainMs)).as(PushView)
  if (accepted.accepted !== events.length) throw new Error(`Accepted ${accepted.accepted} of ${events.length}.`)
  ledger.push(uses)
}

function pick<Item>(items: readonly Item[], random: () => number): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}
