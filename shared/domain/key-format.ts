import { crc32 } from './crc32.ts'
import type { Environment } from './key.ts'

/** The part of a key that says where it belongs; `mgmt` marks a key for this API itself. */
export type KeyPrefix = Environment | 'mgmt'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_LENGTH = 38
const CHECKSUM_LENGTH = 6
const keyPattern = /^permas_(?:test|live|mgmt)_[0-9A-Za-z]{44}$/
// The largest multiple of 62 that a byte can hold: bytes from here up would favour the first characters.
const UNBIASED_BYTES = 248

/**
 * Makes a new key: `permas_<prefix>_`, 38 base62 characters (226 bits) drawn without bias from `randomBytes`, and 6 of
 * checksum. `randomBytes` must be cryptographically secure.
 */
export function generateSecret(prefix: KeyPrefix, randomBytes: (size: number) => Uint8Array): string {
  let random = ''
  while (random.length < RANDOM_LENGTH) {
    for (const byte of randomBytes(RANDOM_LENGTH + 10)) {
      if (byte < UNBIASED_BYTES && random.length < RANDOM_LENGTH) random += ALPHABET.charAt(byte % 62)
    }
  }
  const payload = `permas_${prefix}_${random}`
  return payload + checksum(payload)
}

/**
 * The prefix of a well-formed key, or undefined. A format check, not security: it spares garbage the digest and the
 * look-up, and lets scanners tell keys from noise (1 in 2^32 random strings of the right shape passes).
 */
export function readPrefix(secret: string): KeyPrefix | undefined {
  if (!keyPattern.test(secret)) return undefined
  if (crc32(secret.slice(0, -CHECKSUM_LENGTH)) !== readChecksum(secret)) return undefined
  return secret.slice('permas_'.length, -RANDOM_LENGTH - CHECKSUM_LENGTH - 1) as KeyPrefix
}

/** The last 4 characters of the random part: enough to tell keys apart on a screen, and 202 bits short of the key. */
export function keyHint(secret: string): string {
  return secret.slice(-CHECKSUM_LENGTH - 4, -CHECKSUM_LENGTH)
}

const digits = new Map([...ALPHABET].map((character, digit) => [character.charCodeAt(0), digit]))

function readChecksum(secret: string): number {
  let value = 0
  for (let position = secret.length - CHECKSUM_LENGTH; position < secret.length; position++) {
    value = value * 62 + (digits.get(secret.charCodeAt(position)) ?? 0)
  }
  return value
}

function checksum(payload: string): string {
  let rest = crc32(payload)
  let text = ''
  for (let position = 0; position < CHECKSUM_LENGTH; position++) {
    text = ALPHABET.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}
