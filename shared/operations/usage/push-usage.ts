import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError, isOverload } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import { usageAccumulator } from '../../domain/usage/accumulator.ts'
import { decidePush, keyIdsOf, type PushedItem, type PushRecord } from '../../domain/usage/push.ts'
import { pushInstance } from '../../domain/usage/sequence-gaps.ts'
import type { UsageDelta, UsageEvent } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Random } from '../../ports/runtime.ts'
import type { UsageCodec } from '../../ports/usage.ts'
import type { PushStore } from '../../ports/usage-reports.ts'

interface PushUsageNeeds {
  readonly keys: Pick<KeyStore, 'findById'>
  readonly pushes: PushStore
  readonly queue: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'encode' | 'measure'>
  readonly clock: Clock
  readonly random: Random
}

export interface Push {
  /** `[A-Za-z0-9_-]{8,64}` */
  readonly batchId: string
  /** The raw body. A retry of the batch must repeat it exactly. */
  readonly body: string
  readonly items: readonly PushedItem[]
}

const LOOKUPS_AT_ONCE = 16
const SENDS_AT_ONCE = 4

/**
 * Accepts a batch of events, and judges each event by itself. Stores the decision and its messages before the first
 * message is sent. So a push is idempotent: a retry gets the same answer and sends the messages that may be unsent, and
 * the counters count every message once. Throws `batch_id_reused` for another body under a known `batchId`, and
 * `usage_unavailable` when the queue did not acknowledge every message, or `overloaded` when this instance has too much
 * under way: the caller must retry the same push.
 */
export async function pushUsage(needs: PushUsageNeeds, scope: OneProvider, push: Push): Promise<PushRecord> {
  const { batchId } = push
  const bodyDigest = createHash('sha256').update(push.body).digest('hex')
  const earlier = await findSame(needs.pushes, scope, batchId, bodyDigest)
  const record = earlier ?? (await acceptPush(needs, scope, push, { batchId, bodyDigest }))
  if (!record.sent) await sendParts(needs, scope, record)
  return record
}

async function findSame(
  pushes: PushStore,
  scope: OneProvider,
  batchId: string,
  bodyDigest: string,
): Promise<PushRecord | undefined> {
  const earlier = await pushes.find(scope, batchId)
  if (earlier === undefined || earlier.bodyDigest === bodyDigest) return earlier
  throw new AppError('batch_id_reused', 'This batch_id was used for other events. Choose a new one.')
}

async function acceptPush(
  { keys, pushes, codec, clock, random }: PushUsageNeeds,
  scope: OneProvider,
  { items }: Push,
  identity: Pick<PushRecord, 'batchId' | 'bodyDigest'>,
): Promise<PushRecord> {
  const acceptedAt = clock.now()
  const { events, ...numbers } = decidePush(items, await findKeys(keys, scope, keyIdsOf(items)), acceptedAt)
  const messages = cutIntoParts(events, acceptedAt, codec.measure).map((deltas, index) =>
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
    ...numbers,
    attempt: random.id(),
    acceptedAt,
    parts: messages.length,
    sent: messages.length === 0,
  }
  if ((await pushes.accept(scope, record, messages)) === 'accepted') return record
  const winner = await findSame(pushes, scope, identity.batchId, identity.bodyDigest)
  if (winner === undefined) throw new AppError('store_unavailable', 'The batch could not be kept. Send it again.')
  return winner
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
  const accumulator = usageAccumulator({ measure, deltasMax: Infinity })
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
