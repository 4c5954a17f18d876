import { oneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
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

/** What bounds the making of keys: a provider's quotas `max_keys` and `keys_per_hour`. */
export interface KeyQuotas {
  /**
   * Runs `make` where the quotas allow one more key. Throws `key_quota_exceeded` and `rate_limited`, and then takes nothing
   * of either. A management key is bound by neither.
   */
  admit<T>(request: KeyRequest, make: () => Promise<T>, isNew: (made: T) => boolean): Promise<T>
}

interface KeyRequest {
  readonly kind: KeyKind
  readonly providerId: string
  readonly keyId: string
  /**
   * `generate` needs a place under `max_keys` and one of this hour's keys; `rotate` one of this hour's keys, since the new
   * key takes the old one's place; `revive`, of an expired key, a place.
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
  const places = keyReservations(needs)

  return {
    async admit(request, make, isNew) {
      const provider = request.kind === 'management' ? undefined : await findProvider(needs, request.providerId)
      if (provider === undefined) return make()
      const { maxKeys, keysPerHour } = provider.quotas
      const makeInHour = async () => {
        if (keysPerHour !== null && request.purpose !== 'revive') await takeOfHour(needs, request, keysPerHour)
        return make()
      }
      if (maxKeys === null || request.purpose === 'rotate') return makeInHour()
      const place = await reservePlace(needs, places, { ...request, maxKeys, providerUpdatedAt: provider.updatedAt })
      return inPlace(place, makeInHour, isNew)
    },
  }
}

async function findProvider({ providers }: KeyQuotasNeeds, providerId: string): Promise<Provider | undefined> {
  return (await providers.find(oneProvider(providerId)))?.value
}

interface Place {
  settle(isNew: boolean): Promise<void>
}

async function inPlace<T>(place: Place | undefined, make: () => Promise<T>, isNew: (made: T) => boolean): Promise<T> {
  try {
    const made = await make()
    await place?.settle(isNew(made))
    return made
  } catch (error) {
    // Where the store did not answer the key may have come to be: the place stays held.
    if (error instanceof AppError && error.code !== 'store_unavailable') await place?.settle(false)
    throw error
  }
}

/** undefined where the key is there already, from an earlier try of the same call, and has its place. */
async function reservePlace(
  { keys, log }: KeyQuotasNeeds,
  places: KeyReservations,
  request: KeyRequest & ReservationRequest,
) {
  const { providerId, keyId, maxKeys } = request
  const outcome = await places.reserve(request)
  if (outcome === 'contended') {
    throw new AppError('conflict', 'Too many keys of this provider are being made at once. Try again.', {
      retryAfterSeconds: 1,
    })
  }
  if (outcome === 'full') {
    const isThere = async () => (await keys.findById(oneProvider(providerId), keyId)) !== undefined
    if (request.purpose === 'generate' && (await isThere())) return undefined
    throw new AppError('key_quota_exceeded', `The provider has as many keys as its quota max_keys allows: ${maxKeys}.`)
  }
  return {
    /** What fails here is made good when the keys are counted anew; until then the place counts as taken. */
    async settle(isNew: boolean): Promise<void> {
      try {
        await places.settle(providerId, keyId, isNew || outcome === 'found')
      } catch (error) {
        const cause = error instanceof AppError ? error.code : 'unknown'
        log('warn', 'The place of a key could not be settled.', { keyId, cause })
      }
    },
  }
}

async function takeOfHour({ limiter }: KeyQuotasNeeds, { providerId }: KeyRequest, keysPerHour: number) {
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
