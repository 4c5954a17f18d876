import { everyProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { RevocationSpool } from '../../ports/keys.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import { type WriteRevocationNeeds, writeRevocation } from '../keys/revoke-key.ts'

interface ReplayOnceNeeds extends WriteRevocationNeeds {
  readonly log: Log
}

export interface ReplayNeeds extends ReplayOnceNeeds {
  readonly scheduler: Scheduler
  /** Returns a number in [0, 1): the full jitter of the backoff. */
  readonly jitter: () => number
  /** The longest backoff between two tries. */
  readonly intervalMs: number
}

const FIRST_BACKOFF_MS = 500

/** Retries with exponential backoff while any revocation waits. */
export function revocationReplay(needs: ReplayNeeds, spool: () => RevocationSpool | undefined) {
  let waiting = 0
  let failures = 0
  let cancel: (() => void) | undefined
  let stopped = false

  const scheduleRetry = (): void => {
    if (stopped || cancel !== undefined) return
    const maxMs = Math.min(needs.intervalMs, FIRST_BACKOFF_MS * 2 ** failures)
    cancel = needs.scheduler.after(maxMs * needs.jitter(), () => {
      cancel = undefined
      void now()
    })
  }

  const now = async (): Promise<void> => {
    const revocations = spool()
    if (revocations === undefined) return
    try {
      await replayRevocations(needs, revocations)
      waiting = revocations.list().length
      failures = waiting === 0 ? 0 : failures + 1
    } catch {
      failures++
    }
    if (waiting > 0) scheduleRetry()
  }

  return {
    now,
    /** Call after a revocation was put into the spool. */
    added: () => {
      waiting++
      scheduleRetry()
    },
    waiting: () => waiting,
    stop: () => {
      stopped = true
      cancel?.()
    },
  }
}

/**
 * Writes the revocations that were made while the store was down, each as of the time of its request, and removes every
 * one that is done. A key that was revoked meanwhile keeps its first revocation.
 */
export async function replayRevocations(needs: ReplayOnceNeeds, spool: RevocationSpool): Promise<void> {
  for (const key of spool.list()) {
    if (await isReplayed(needs, key)) spool.remove(key.keyId)
  }
}

async function isReplayed(
  needs: ReplayOnceNeeds,
  { keyId, providerId, revocation, replacedBy }: Key,
): Promise<boolean> {
  if (revocation === null) return true
  const scope = providerId === '*' ? everyProvider : oneProvider(providerId)
  try {
    await writeRevocation(needs, scope, { keyId, replacedBy, ...revocation })
    needs.log('info', 'A revocation that waited for the store was carried out.', { keyId, by: revocation.by })
    return true
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'unknown'
    if (code === 'key_not_found') needs.log('error', 'A key that was revoked meanwhile is gone.', { keyId })
    return code === 'key_not_found'
  }
}
