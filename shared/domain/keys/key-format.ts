import { crc32 } from '../crc32.ts'
import type { Environment } from './key.ts'

/** The prefix names the environment of a key; `mgmt` marks a key for this API itself. */
export type KeyPrefix = Environment | 'mgmt'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_LENGTH = 38
const CHECKSUM_LENGTH = 6
const PREFIX_LENGTH = 'permas_live_'.length
const KEY_LENGTH = PREFIX_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH
const prefixes: ReadonlyMap<string, KeyPrefix> = new Map(
  (['test', 'live', 'mgmt'] as const).map((prefix) => [`permas_${prefix}_`, prefix]),
)
// Rejection sampling: bytes from the largest multiple of 62 up would favour the first characters.
const UNBIASED_BYTES = 248
const NO_DIGIT = 255

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
 * Returns the prefix of a well-formed key, else undefined. A format check, not a security check: garbage costs no
 * digest and no lookup, and scanners can tell keys from noise (1 in 2^32 random strings of the right shape passes).
 */
export function readPrefix(secret: string): KeyPrefix | undefined {
  if (secret.length !== KEY_LENGTH) return undefined
  const prefix = prefixes.get(secret.slice(0, PREFIX_LENGTH))
  if (prefix === undefined || !isBase62(secret, PREFIX_LENGTH)) return undefined
  return crc32(secret.slice(0, -CHECKSUM_LENGTH)) === readChecksum(secret) ? prefix : undefined
}

/** Whether a text has whitespace or characters of no width in it: a key that was pasted with more than itself. */
export function hasWhitespace(secret: string): boolean {
  return /[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}]/u.test(secret)
}

/** The last 4 characters of the random part: enough to tell keys apart on a screen, and 202 bits short of the key. */
export function keyHint(secret: string): string {
  return secret.slice(-CHECKSUM_LENGTH - 4, -CHECKSUM_LENGTH)
}

// By character code: this runs on every validation, and a regular expression or a Map would be slower.
const digits = new Uint8Array(128).fill(NO_DIGIT)
for (let digit = 0; digit < ALPHABET.length; digit++) digits[ALPHABET.charCodeAt(digit)] = digit

function digitAt(text: string, position: number): number {
  return digits[text.charCodeAt(position)] ?? NO_DIGIT
}

function isBase62(text: string, start: number): boolean {
  for (let position = start; position < text.length; position++) {
    if (digitAt(text, position) === NO_DIGIT) return false
  }
  return true
}

function readChecksum(secret: string): number {
  let value = 0
  for (let position = KEY_LENGTH - CHECKSUM_LENGTH; position < KEY_LENGTH; position++) {
    value = value * 62 + digitAt(secret, position)
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
