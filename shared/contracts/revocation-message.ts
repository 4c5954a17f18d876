import * as z from 'zod'
import type { PendingRevocation } from '../domain/keys/key.ts'
import { Instant, KeyId, line, ProviderId, revocationReasons } from './fields.ts'

/** A message of `key-events`. It holds no secret and no digest: the consumer finds the key by its id. */
const shape = z.strictObject({
  v: z.literal(1),
  kind: z.literal('revoke'),
  key_id: KeyId,
  /** The provider that the caller spoke for; `*` for all. */
  provider_id: z.union([z.literal('*'), ProviderId]),
  reason: z.enum(revocationReasons),
  text: line(255).nullable(),
  replaced_by: KeyId.nullable(),
  by: z.string().min(1).max(255),
  at: Instant,
  tries: z.int().min(0),
})

/** The body of the message, as JSON. */
export function encodeRevocationMessage(pending: PendingRevocation): string {
  return JSON.stringify({
    ...{ v: 1, kind: 'revoke', key_id: pending.keyId, provider_id: pending.providerId },
    ...{ reason: pending.reason, text: pending.text, replaced_by: pending.replacedBy },
    ...{ by: pending.by, at: pending.at.toISOString(), tries: pending.tries },
  })
}

/** The revocation in a message body. Throws an error that names the faults by their paths, without quoting the body. */
export function parseRevocationMessage(body: string): PendingRevocation {
  const message = shape.safeParse(parseJson(body))
  if (!message.success) throw new TypeError(`not a revocation message: ${describe(message.error)}`)
  const { key_id, provider_id, replaced_by, reason, text, by, at, tries } = message.data
  return { keyId: key_id, providerId: provider_id, replacedBy: replaced_by, reason, text, by, at, tries }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function describe({ issues }: z.ZodError): string {
  return issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    .join('; ')
}
