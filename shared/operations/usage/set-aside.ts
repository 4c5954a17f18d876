import { createHash } from 'node:crypto'
import { type PoisonReason, poisonDetail } from '../../domain/usage/poison.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Meter } from '../../ports/meter.ts'
import type { PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import type { UsageCodec } from '../../ports/usage.ts'
import { withoutErasedIn } from './erased-uses.ts'

export interface SetAsideNeeds {
  readonly poisoned: Pick<PoisonStore, 'put'>
  readonly poison: Pick<MessageQueue, 'send'>
  readonly codec: Pick<UsageCodec, 'parse' | 'erase'>
  readonly keys: Pick<KeyStore, 'findById'>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
  readonly meter: Pick<Meter, 'count'>
}

/**
 * Sets a usage message aside with its reason: in the poison store, or in the poison queue while that store does not take
 * it. The store gets the message without owners and addresses of erased keys. Logs an error that does not quote the message. Delete the message afterwards. Throws when neither took it.
 */
export async function setAside(needs: SetAsideNeeds, body: string, reason: PoisonReason, why: string): Promise<void> {
  const id = poisonId(needs.codec, body)
  const detail = poisonDetail(why)
  try {
    const erased = await withoutErasedIn(needs.keys, needs.codec, body)
    await needs.poisoned.put({ id, reason, detail, setAsideAt: needs.clock.now(), body: erased })
  } catch {
    await needs.poison.send(body)
  }
  needs.meter.count('auth_api_usage_set_aside_total', { reason })
  needs.log('error', 'A usage message was set aside.', { id, reason, detail })
}

/** The batch id of a usage message; of another text `unreadable.` and 32 hex digits of its SHA-256. */
function poisonId(codec: Pick<UsageCodec, 'parse'>, body: string): string {
  try {
    return codec.parse(body).batchId
  } catch {
    return `unreadable.${createHash('sha256').update(body).digest('hex').slice(0, 32)}`
  }
}
