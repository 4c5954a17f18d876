import { createPublicKey, type KeyObject } from 'node:crypto'
import * as z from 'zod'
import { AppError } from '../../domain/errors.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { describeFailure } from '../../runtime/log.ts'

const RETRY_AFTER_MS = 30_000
const REFRESH_AFTER_MS = 60 * 60 * 1000
const MAX_AGE_MS = 24 * 60 * 60 * 1000
const TIMEOUT_MS = 3000
const MAX_BYTES = 256 * 1024
const MIN_MODULUS_BITS = 2048

const KeySet = z.object({ keys: z.array(z.unknown()).max(100) })
const SigningKey = z.object({
  kty: z.literal('RSA'),
  use: z.literal('sig').optional(),
  alg: z.literal('RS256').optional(),
  kid: z.string().min(1),
  n: z.string(),
  e: z.string(),
})

/** The public keys that verify the tokens of a tenant. */
export interface EntraKeys {
  /** Returns undefined where the tenant has no key of that id. Throws `identity_unavailable` where that is unknown. */
  find(tenantId: string, keyId: string): Promise<KeyObject | undefined>
}

interface EntraKeysOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  /** Where a tenant publishes its key set (RFC 7517). */
  readonly addressOf: (tenantId: string) => string
}

interface TenantKeys {
  keys: ReadonlyMap<string, KeyObject>
  readAtMs: number
  attemptedAtMs: number
  failed: boolean
  refreshing: Promise<void> | undefined
}

/**
 * Caches the keys of each tenant. Reads them when a token first needs them, again each hour, and when a token names an
 * unknown key, but never more than once in 30 s, whatever callers send. Stale-if-error: up to 24 h.
 */
export function entraKeys({ clock, scheduler, log, addressOf }: EntraKeysOptions): EntraKeys {
  const tenants = new Map<string, TenantKeys>()
  const nowMs = () => clock.now().getTime()

  function keysOf(tenantId: string): TenantKeys {
    const cached = tenants.get(tenantId)
    if (cached !== undefined) return cached
    const empty = {
      keys: new Map(),
      readAtMs: -Infinity,
      attemptedAtMs: -Infinity,
      failed: false,
      refreshing: undefined,
    }
    tenants.set(tenantId, empty)
    return empty
  }

  async function read(tenantId: string, tenant: TenantKeys): Promise<void> {
    try {
      tenant.keys = parseKeySet(await fetchText(addressOf(tenantId), scheduler))
      tenant.readAtMs = nowMs()
      tenant.failed = false
    } catch (error) {
      tenant.failed = true
      log('warn', 'the signing keys of a tenant could not be read', { tenantId, cause: describeFailure(error) })
    }
  }

  async function refresh(tenantId: string, tenant: TenantKeys): Promise<void> {
    if (tenant.refreshing === undefined && nowMs() - tenant.attemptedAtMs >= RETRY_AFTER_MS) {
      tenant.attemptedAtMs = nowMs()
      tenant.refreshing = read(tenantId, tenant).finally(() => {
        tenant.refreshing = undefined
      })
    }
    await tenant.refreshing
  }

  return {
    async find(tenantId, keyId) {
      const tenant = keysOf(tenantId)
      const ageMs = nowMs() - tenant.readAtMs
      const cached = ageMs < MAX_AGE_MS ? tenant.keys.get(keyId) : undefined
      if (cached !== undefined) {
        if (ageMs >= REFRESH_AFTER_MS) void refresh(tenantId, tenant)
        return cached
      }
      await refresh(tenantId, tenant)
      if (tenant.failed) throw new AppError('identity_unavailable', 'Entra ID does not tell its signing keys.')
      return tenant.keys.get(keyId)
    },
  }
}

/** Skips keys of any other kind, and RSA keys that are too short. Throws where no key remains. */
function parseKeySet(text: string): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>()
  for (const candidate of KeySet.parse(JSON.parse(text)).keys) {
    const { success, data } = SigningKey.safeParse(candidate)
    if (!success) continue
    const key = createPublicKey({ key: { kty: data.kty, n: data.n, e: data.e }, format: 'jwk' })
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_MODULUS_BITS) keys.set(data.kid, key)
  }
  if (keys.size === 0) throw new Error('The key set has no key to verify with.')
  return keys
}

async function fetchText(address: string, scheduler: Scheduler): Promise<string> {
  const timeout = new AbortController()
  const cancel = scheduler.after(TIMEOUT_MS, () => timeout.abort(new Error(`No key set within ${TIMEOUT_MS} ms.`)))
  try {
    const response = await fetch(address, { redirect: 'error', signal: timeout.signal })
    return await readText(response)
  } finally {
    cancel()
  }
}

async function readText({ status, body }: Response): Promise<string> {
  if (status !== 200 || body === null) {
    await body?.cancel()
    throw new Error(`The key set was answered with ${status}.`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new Error(`The key set has more than ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
