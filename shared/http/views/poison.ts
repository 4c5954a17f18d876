import type { PoisonedView } from '../../contracts/poison.ts'
import { countOf } from '../../domain/usage/counters.ts'
import type { ListedPoison } from '../../operations/usage/list-poison.ts'
import { redact } from '../../runtime/log.ts'

const KEY_IDS_SHOWN = 20

/** Shows what is in a message as counts and ids: no endpoint, no owner, no address. */
export function toPoisonedView({ message, content }: ListedPoison): PoisonedView {
  return {
    id: message.id,
    reason: message.reason,
    detail: redact(message.detail),
    set_aside_at: message.setAsideAt.toISOString(),
    message: content && toContentView(content),
  }
}

function toContentView({ batch, redrives }: NonNullable<ListedPoison['content']>): PoisonedView['message'] {
  const keyIds = [...new Set(batch.deltas.map(({ keyId }) => keyId))]
  return {
    made_at: batch.at,
    redrives,
    uses: countOf(batch.deltas),
    keys: keyIds.length,
    key_ids: keyIds.slice(0, KEY_IDS_SHOWN),
    provider_ids: [...new Set(batch.deltas.map(({ providerId }) => providerId))].slice(0, KEY_IDS_SHOWN),
    batch_id: batch.push?.batchId ?? null,
  }
}
