import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError, isOverload } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import { usageAccumulator } from '../../domain/usage/accumulator.ts'
import { acceptEvents, decidePush, keyIdsOf, type PushedItem, type PushRecord } from '../../domain/usage/push.ts'
import { pushInstance } from '../../domain/usage/sequence-gaps.ts'
import type { UsageDelta, UsageEvent } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Random, Scheduler } from '../../ports/runtime.ts'
import type { UsageCodec } from '../../ports/usage.ts'
import type { EventIds, PushStore } from '../../ports/usage-reports.ts'
import { claimEventIds } from './claim-event-ids.ts'

interface PushUsageNeeds {
  readonly keys: Pick<KeyStore, 'findById'>
  readonly pushes: PushStore
  readonly eventIds: EventIds
  readonly queue: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: Random
}

export interface Push {
  /** `[A-Za-z0-9_-]{8,64}` */
  readonly batchId: string
  /** The body in canonical form: a retry of the batch must be the same. */
  readonly body: string
  readonly items: readonly PushedItem[]
}

const LOOKUPS_AT_ONCE = 16
const SENDS_AT_ONCE = 4
const ATTEMPTS_MAX = 6
const PAUSE_MS = 100

/**
 * Accepts a batch of events, and judges each event by itself. Stores the decision and its messages before the first
 * message is sent. So a push is idempotent: a retry gets the same answer and sends the messages that may be unsent, and
 * the counters count every message once. An event whose id an earlier push of the provider has counted is a duplicate.
 * Throws `batch_id_reused` for another body under a known `batchId`, and `usage_unavailable` when the queue did not
 * acknowledge every message, or another push has the same ids under way, or `overloaded` when this instance has too much
 * under way: the caller must retry the same push.
 */
export async function pushUsage(needs: PushUsageNeeds, scope: OneProvider, push: Push): Promise<PushRecord> {
  const bodyDigest = createHash('sha256').update(push.body).digest('hex')
  const record = await acceptOnce(needs, scope, push, { batchId: push.batchId, bodyDigest })
  if (!record.sent) await sendParts(needs, scope, record)
  return record
}

/** An attempt that another one overtook waits for the record of that one, longer each time, before it begins again. */
async function acceptOnce(
  needs: PushUsageNeeds,
  scope: OneProvider,
  push: Push,
  identity: Pick<PushRecord, 'batchId' | 'bodyDigest'>,
): Promise<PushRecord> {
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    if (attempts > 0) await pause(needs.scheduler, PAUSE_MS * 2 ** (attempts - 1))
    const earlier = await findSame(needs.pushes, scope, identity)
    const record = earlier ?? (await tryToAccept(needs, scope, push, identity))
    if (record !== undefined) return record
  }
  throw new AppError('usage_unavailable', 'Other calls push the same batch. Send it again.', { retryAfterSeconds: 1 })
}

function pause(scheduler: Scheduler, ms: number): Promise<void> {
  return new Promise((resolve) => scheduler.after(ms, resolve))
}

async function findSame(
  pushes: PushStore,
  scope: OneProvider,
  { batchId, bodyDigest }: Pick<PushRecord, 'batchId' | 'bodyDigest'>,
): Promise<PushRecord | undefined> {
  const earlier = await pushes.find(scope, batchId)
  if (earlier === undefined || earlier.bodyDigest === bodyDigest) return earlier
  throw new AppError('batch_id_reused', 'This batch_id was used for other events. Choose a new one.')
}

/** Returns undefined where another attempt was accepted, or overtook this one. */
async function tryToAccept(
  needs: PushUsageNeeds,
  scope: OneProvider,
  { items }: Push,
  identity: Pick<PushRecord, 'batchId' | 'bodyDigest'>,
): Promise<PushRecord | undefined> {
  const { keys, pushes, codec, clock, random } = needs
  const acceptedAt = clock.now()
  const decision = decidePush(items, await findKeys(keys, scope, keyIdsOf(items)), acceptedAt)
  const attempt = { batchId: identity.batchId, attempt: random.id(), startedAt: clock.now() }
  if ((await pushes.begin(scope, attempt)) === 'accepted') return undefined
  const ids = decision.candidates.flatMap(({ id }) => (id === null ? [] : [id]))
  const accepted = acceptEvents(decision, await claimEventIds(needs, scope, ids, attempt))
  const messages = cutIntoParts(accepted.events, acceptedAt, codec.measure).map((deltas, index) =>
    codec.encode({
      batchId: `${pushInstance}.${scope.providerId}.${identity.batchId}.${index + 1}`,
      ackedBelow: 1,
      at: acceptedAt.toISOString(),
      deltas,
      push: { providerId: scope.providerId, batchId: identity.batchId, part: index + 1 },
    }),
  )
  const record = {
    ...identity,
    ...{ accepted: accepted.accepted, duplicate: accepted.duplicate, rejected: decision.rejected },
    attempt: attempt.attempt,
    acceptedAt,
    parts: messages.length,
    sent: messages.length === 0,
  }
  return (await pushes.accept(scope, record, messages)) === 'accepted' ? record : undefined
}

async function findKeys(
  keys: Pick<KeyStore, 'findById'>,
  scope: OneProvider,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, Key>> {
  const found = await pLimit(LOOKUPS_AT_ONCE).map(keyIds, (keyId) => keys.findById(scope, keyId))
  return new Map(found.flatMap((key) => (key === undefined ? [] : [[key.value.keyId, key.value] as const])))
}

function cutIntoParts(
  events: readonly UsageEvent[],
  now: Date,
  measure: UsageCodec['measure'],
): readonly (readonly UsageDelta[])[] {
  const accumulator = usageAccumulator({ measure, bytesMax: Infinity })
  for (const event of events) accumulator.add(event, now.getTime())
  return accumulator.waiting.map((draft) => draft.deltas(() => ''))
}

async function sendParts({ pushes, queue }: PushUsageNeeds, scope: OneProvider, record: PushRecord): Promise<void> {
  const messages = await pushes.unsent(scope, record)
  try {
    await pLimit(SENDS_AT_ONCE).map(messages, (message) => queue.send(message))
  } catch (error) {
    throw notQueued(record.batchId, error)
  }
  await pushes.markSent(scope, record)
}

function notQueued(batchId: string, cause: unknown): AppError {
  const message = `The batch is not queued in full. Send the same events again with batch_id ${batchId}.`
  return new AppError(isOverload(cause) ? 'overloaded' : 'usage_unavailable', message, { cause, retryAfterSeconds: 1 })
}
