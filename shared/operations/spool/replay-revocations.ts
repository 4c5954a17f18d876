import { everyProvider, oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { RevocationSpool } from '../../ports/keys.ts'
import type { Log, Scheduler } from '../../ports/runtime.ts'
import { type WriteRevocationNeeds, writeRevocation } from '../keys/revoke-key.ts'

interface SettleNeeds extends WriteRevocationNeeds {
  readonly log: Log
}

export interface ReplayNeeds extends SettleNeeds {
  readonly scheduler: Scheduler
  /** A number in [0, 1), for the spread of retries. */
  readonly jitter: () => number
  /** The longest pause between two tries. */
  readonly intervalMs: number
}

const FIRST_PAUSE_MS = 500

/** Tries again and again, with growing pauses, for as long as any revocation waits. */
export function revocationReplay(needs: ReplayNeeds, spool: () => RevocationSpool | undefined) {
  let waiting = 0
  let failures = 0
  let cancel: (() => void) | undefined
  let stopped = false

  const soon = (): void => {
    if (stopped || cancel !== undefined) return
    const mostMs = Math.min(needs.intervalMs, FIRST_PAUSE_MS * 2 ** failures)
    cancel = needs.scheduler.after(mostMs * needs.jitter(), () => {
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
    if (waiting > 0) soon()
  }

  return {
    now,
    /** Another one waits. */
    added: () => {
      waiting++
      soon()
    },
    waiting: () => waiting,
    stop: () => {
      stopped = true
      cancel?.()
    },
  }
}

/**
 * Carries out what was revoked while the store was away, as of the time when it was asked for, and forgets what is done.
 * A key that was revoked meanwhile keeps its first revocation.
 */
export async function replayRevocations(needs: SettleNeeds, spool: RevocationSpool): Promise<void> {
  for (const key of spool.list()) {
    if (await isSettled(needs, key)) spool.remove(key.keyId)
  }
}

async function isSettled(needs: SettleNeeds, { keyId, providerId, revocation, replacedBy }: Key): Promise<boolean> {
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
