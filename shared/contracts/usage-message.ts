import * as z from 'zod'
import type { UsageOutcome } from '../domain/keys/verdict.ts'
import type { ErasedKey } from '../domain/usage/erasure.ts'
import type { MeasuredDelta } from '../domain/usage/message-packing.ts'
import type { StatusClass, UsageBatch, UsageDelta } from '../domain/usage/usage.ts'

const outcomes = {
  VALID: true,
  REVOKED: true,
  EXPIRED: true,
  NOT_YET_VALID: true,
  DISABLED: true,
  PROVIDER_DISABLED: true,
  ENVIRONMENT_MISMATCH: true,
  IP_NOT_ALLOWED: true,
  INSUFFICIENT_SCOPE: true,
  COST_EXCEEDS_LIMIT: true,
  RATE_LIMITED: true,
  QUOTA_EXCEEDED: true,
} satisfies Record<UsageOutcome, true>
const statusClasses = { '1xx': true, '2xx': true, '3xx': true, '4xx': true, '5xx': true } satisfies Record<
  StatusClass,
  true
>

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const hour = /^\d{8}(?:[01]\d|2[0-3])$/
const address = /^[0-9a-f.:]{2,39}$/
const providerId = z.string().regex(/^(?:\*|[a-z0-9][a-z0-9_-]{0,62})$/)
const keyId = z.string().regex(/^[0-9A-Za-z_-]{1,64}$/)

/** `[hour, outcome, endpoint, status class, count, last used at, last address hash]`, after a revocation also the address. */
type WireUses = [string, UsageOutcome, string, StatusClass, number, string, string | null, string?]

/** Validated by hand: a message holds hundreds of these, and zod takes ten times as long for each. */
const usesShape = z.custom<WireUses>(
  isUses,
  'not [hour, outcome, endpoint, status class, count, last use, address hash, address after a revocation]',
)

/** `[provider id, key id, owner id, environment, uses]` */
const keyShape = z.tuple([
  providerId,
  keyId,
  z.string().max(255).nullable(),
  z.enum(['test', 'live']),
  z.array(usesShape).min(1),
])

const messageShape = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^[A-Za-z0-9._-]{1,240}$/),
  acked_below: z.int().min(0),
  at: z.string().regex(instant),
  redrives: z.int().min(0),
  push: z
    .strictObject({ provider_id: providerId, batch_id: z.string().min(1).max(128), part: z.int().min(1) })
    .nullable(),
  keys: z.array(keyShape).min(1),
})

/** Bytes of the longest address, with its quotes and comma: the last address is unknown when the first use is measured. */
const ADDRESS_BYTES = 42

type Message = z.output<typeof messageShape>
type WireKey = z.output<typeof keyShape>

/** The body of the queue message that carries `batch`: JSON, deltas grouped by key. */
export function encodeUsageMessage(batch: UsageBatch): string {
  return JSON.stringify({
    v: 1,
    id: batch.batchId,
    acked_below: batch.ackedBelow,
    at: batch.at,
    redrives: 0,
    push: batch.push && { provider_id: batch.push.providerId, batch_id: batch.push.batchId, part: batch.push.part },
    keys: groupByKey(batch.deltas),
  } satisfies Message)
}

/** The batch in a message body. Throws an error that names the faults by their paths, without quoting the body. */
export function parseUsageMessage(body: string): UsageBatch {
  const message = messageShape.safeParse(parseJson(body))
  if (!message.success) throw new TypeError(`not a usage message: ${describe(message.error)}`)
  const { id, acked_below, at, push, keys } = message.data
  return {
    batchId: id,
    ackedBelow: acked_below,
    at,
    deltas: keys.flatMap(deltasOfKey),
    push: push && { providerId: push.provider_id, batchId: push.batch_id, part: push.part },
  }
}

/** Upper bounds of the bytes that a delta takes in a message: its key's, counted once per message, and its own. */
export function measureUsageDelta(delta: MeasuredDelta): { readonly keyBytes: number; readonly deltaBytes: number } {
  const strings = delta.providerId.length + delta.keyId.length + byteLength(delta.ownerId)
  const evidence = delta.outcome === 'REVOKED' ? ADDRESS_BYTES : 0
  return { keyBytes: strings + 24, deltaBytes: delta.outcome.length + byteLength(delta.endpoint) + 112 + evidence }
}

/** The same message with its re-drive count raised by one; undefined for a body that is no usage message. */
export function raiseUsageRedrives(body: string): { readonly body: string; readonly redrives: number } | undefined {
  const message = messageShape.safeParse(parseJson(body))
  if (!message.success) return undefined
  const redrives = message.data.redrives + 1
  return { body: JSON.stringify({ ...message.data, redrives }), redrives }
}

/**
 * The same message without owner and addresses in the uses of the key; undefined where nothing changes. Keeps the order of
 * the uses: the ids of a batch that is counted in halves depend on it.
 */
export function eraseInUsageMessage(body: string, { keyId, pseudonymOf }: ErasedKey): string | undefined {
  const message = messageShape.safeParse(parseJson(body))
  if (!message.success) return undefined
  const keys = message.data.keys.map((key): WireKey => {
    const [providerId, id, ownerId, environment, uses] = key
    return id === keyId ? [providerId, id, pseudonymOf(ownerId), environment, uses.map(withoutAddresses)] : key
  })
  const erased = JSON.stringify({ ...message.data, keys })
  return erased === JSON.stringify(message.data) ? undefined : erased
}

function withoutAddresses([hourOfUse, outcome, endpoint, statusClass, count, lastUsedAt]: WireUses): WireUses {
  return [hourOfUse, outcome, endpoint, statusClass, count, lastUsedAt, null]
}

function isUses(value: unknown): value is WireUses {
  if (!Array.isArray(value) || (value.length !== 7 && !hasAddress(value))) return false
  const [at, outcome, endpoint, statusClass, count, lastUsedAt, ipHash] = value as unknown[]
  return (
    isText(at, hour) &&
    isText(lastUsedAt, instant) &&
    typeof outcome === 'string' &&
    Object.hasOwn(outcomes, outcome) &&
    typeof statusClass === 'string' &&
    Object.hasOwn(statusClasses, statusClass) &&
    isShort(endpoint, 255) &&
    (ipHash === null || isShort(ipHash, 32)) &&
    isPositive(count)
  )
}

function hasAddress(uses: readonly unknown[]): boolean {
  return uses.length === 8 && uses[1] === 'REVOKED' && isText(uses[7], address)
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function isShort(value: unknown, lengthMax: number): boolean {
  return typeof value === 'string' && value.length <= lengthMax
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function describe(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
    .join('; ')
}

function groupByKey(deltas: readonly UsageDelta[]): WireKey[] {
  const keys = new Map<string, WireKey>()
  for (const delta of deltas) {
    const owner = delta.ownerId === null ? '' : `|${delta.ownerId}`
    const name = `${delta.providerId}|${delta.keyId}|${delta.environment}${owner}`
    const key = keys.get(name)
    if (key === undefined) {
      keys.set(name, [delta.providerId, delta.keyId, delta.ownerId, delta.environment, [usesOf(delta)]])
    } else key[4].push(usesOf(delta))
  }
  return [...keys.values()]
}

function usesOf(delta: UsageDelta): WireUses {
  const { hour, outcome, endpoint, statusClass, count, lastUsedAt, lastIpHash, lastIp } = delta
  return lastIp === null
    ? [hour, outcome, endpoint, statusClass, count, lastUsedAt, lastIpHash]
    : [hour, outcome, endpoint, statusClass, count, lastUsedAt, lastIpHash, lastIp]
}

function deltasOfKey([providerId, keyId, ownerId, environment, uses]: WireKey): UsageDelta[] {
  return uses.map(([hour, outcome, endpoint, statusClass, count, lastUsedAt, lastIpHash, lastIp = null]) => ({
    providerId,
    keyId,
    ownerId,
    environment,
    hour,
    outcome,
    endpoint,
    statusClass,
    count,
    lastUsedAt,
    lastIpHash,
    lastIp,
  }))
}

/** Printable ASCII that JSON escapes nowhere. */
const plain = /^[ !#-[\]-~]*$/

function byteLength(text: string | null): number {
  return text !== null && plain.test(text) ? text.length + 2 : Buffer.byteLength(JSON.stringify(text))
}
