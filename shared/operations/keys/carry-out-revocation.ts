import { everyProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError, isOutcomeOpen } from '../../domain/errors.ts'
import type { RevocationCodec } from '../../ports/keys.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Log } from '../../ports/runtime.ts'
import { revokeIfCached, type WriteRevocationNeeds, writeRevocation } from './revoke-key.ts'

export interface CarryOutNeeds extends WriteRevocationNeeds {
  readonly keyEvents: Pick<MessageQueue, 'send'>
  readonly revocationCodec: RevocationCodec
}

const DELAY_SECONDS_MAX = 30

/**
 * Carries out a message of `key-events`: revokes the key as of the time of the request, within the caller's providers.
 * Idempotent: the first revocation of a key stands. While the store does not take it, refuses the key on this instance if
 * it is cached here, and sends the message again with a delay of 1 s that doubles up to 30 s: an outage never moves it
 * to the poison queue. Throws for a body that is no revocation, and when the message cannot be sent again.
 */
export async function carryOutRevocation(needs: CarryOutNeeds, body: string, log: Log): Promise<void> {
  const pending = needs.revocationCodec.parse(body)
  const { keyId, by } = pending
  const scope = pending.providerId === '*' ? everyProvider : oneProvider(pending.providerId)
  try {
    await writeRevocation(needs, scope, pending)
    log('info', 'A revocation that waited for the store was carried out.', { keyId, by })
  } catch (error) {
    if (error instanceof AppError && error.code === 'key_not_found') {
      log('error', 'A pending revocation names a key that is missing or outside the scope of its caller.', {
        keyId,
        by,
      })
      return
    }
    if (!isOutcomeOpen(error)) throw error
    revokeIfCached(needs, scope, pending)
    const again = needs.revocationCodec.encode({ ...pending, tries: pending.tries + 1 })
    await needs.keyEvents.send(again, Math.min(DELAY_SECONDS_MAX, 2 ** pending.tries))
  }
}
