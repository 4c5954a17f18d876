import { oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError, isOutcomeOpen } from '../../domain/errors.ts'
import type { KeyKind } from '../../domain/keys/key.ts'
import type { Provider } from '../../domain/keys/provider.ts'
import type { Limit } from '../../domain/limits/limit.ts'
import type { KeyStore, ProviderStore } from '../../ports/keys.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Log } from '../../ports/runtime.ts'
import {
  type KeyReservations,
  type KeyReservationsNeeds,
  keyReservations,
  type ReservationRequest,
} from './key-reservations.ts'

/** A provider's quotas on new keys: `max_keys` and `keys_per_hour`. */
export interface KeyQuotas {
  /**
   * Runs `make` when the quotas allow one more key. Throws `key_quota_exceeded` and `rate_limited`, and then takes
   * nothing of either quota. Management keys are exempt from both.
   */
  admit<T>(request: KeyRequest, make: () => Promise<T>, isNew: (made: T) => boolean): Promise<T>
}

interface KeyRequest {
  readonly kind: KeyKind
  readonly providerId: string
  readonly keyId: string
  /**
   * `generate` takes a place under `max_keys` and one key of `keys_per_hour`. `rotate` takes one key of
   * `keys_per_hour`: the new key takes over the place of the old key. `revive`, of an expired key, takes a place.
   */
  readonly purpose: 'generate' | 'rotate' | 'revive'
}

interface KeyQuotasNeeds extends KeyReservationsNeeds {
  readonly keys: Pick<KeyStore, 'page' | 'findById'>
  readonly providers: Pick<ProviderStore, 'find'>
  readonly limiter: Limiter
  readonly log: Log
}

const HOUR_SECONDS = 3600

export function keyQuotas(needs: KeyQuotasNeeds): KeyQuotas {
  const reservations = keyReservations(needs)

  return {
    async admit(request, make, isNew) {
      const provider = request.kind === 'management' ? undefined : await findProvider(needs, request.providerId)
      if (provider === undefined) return make()
      const { maxKeys, keysPerHour } = provider.quotas
      const makeWithinHour = async () => {
        if (keysPerHour !== null && request.purpose !== 'revive') await takeFromHour(needs, request, keysPerHour)
        return make()
      }
      if (maxKeys === null || request.purpose === 'rotate') return makeWithinHour()
      const reservation = await reserve(needs, reservations, {
        ...request,
        maxKeys,
        providerUpdatedAt: provider.updatedAt,
      })
      return withReservation(reservation, makeWithinHour, isNew)
    },
  }
}

async function findProvider({ providers }: KeyQuotasNeeds, providerId: string): Promise<Provider | undefined> {
  return (await providers.find(oneProvider(providerId)))?.value
}

interface Reservation {
  complete(isNew: boolean): Promise<void>
}

async function withReservation<T>(
  reservation: Reservation | undefined,
  make: () => Promise<T>,
  isNew: (made: T) => boolean,
): Promise<T> {
  try {
    const made = await make()
    await reservation?.complete(isNew(made))
    return made
  } catch (error) {
    // After such an error the key may exist: its place stays reserved.
    if (error instanceof AppError && !isOutcomeOpen(error)) await reservation?.complete(false)
    throw error
  }
}

/** Returns undefined when an earlier try of the same call made the key: it has its place already. */
async function reserve(
  { keys, log }: KeyQuotasNeeds,
  reservations: KeyReservations,
  request: KeyRequest & ReservationRequest,
) {
  const { providerId, keyId, maxKeys } = request
  const outcome = await reservations.reserve(request)
  if (outcome === 'contended') {
    throw new AppError('conflict', 'Too many keys of this provider are being made at once. Try again.', {
      retryAfterSeconds: 1,
    })
  }
  if (outcome === 'full') {
    const exists = async () => (await keys.findById(oneProvider(providerId), keyId)) !== undefined
    if (request.purpose === 'generate' && (await exists())) return undefined
    throw new AppError('key_quota_exceeded', `The provider has as many keys as its quota max_keys allows: ${maxKeys}.`)
  }
  return {
    /** Never throws. After a failure the place stays reserved until the next recount. */
    async complete(isNew: boolean): Promise<void> {
      try {
        await reservations.complete(providerId, keyId, isNew || outcome === 'found')
      } catch (error) {
        const cause = error instanceof AppError ? error.code : 'unknown'
        log('warn', 'The place of a key could not be settled.', { keyId, cause })
      }
    },
  }
}

async function takeFromHour({ limiter }: KeyQuotasNeeds, { providerId }: KeyRequest, keysPerHour: number) {
  const name = 'keys_per_hour'
  const limit: Limit = {
    subject: `quota:provider:${providerId}`,
    name,
    limit: keysPerHour,
    window: { kind: 'fixed', seconds: HOUR_SECONDS },
  }
  const taking = await limiter.take([limit], 1)
  if (taking.kind === 'taken') return
  throw new AppError(
    'rate_limited',
    `The provider has made as many keys in this hour as its quota allows: ${keysPerHour}.`,
    {
      retryAfterSeconds: Math.max(1, Math.ceil(taking.retryAfterMs / 1000)),
      violatedPolicies: [`provider.quota.${name}`],
    },
  )
}
