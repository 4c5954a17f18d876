import { createHmac, hash, randomBytes } from 'node:crypto'

/** A digest, and the version of the pepper that made it. */
export interface KeyDigest {
  readonly digest: string
  readonly pepperVersion: string
}

/** The keyed hashes of this service. Peppers are ordered newest first, and after them those that are accepted only. */
export interface KeyDigests {
  /** The digest of a new key, under the newest pepper that is not accepted only. */
  make(secret: string): KeyDigest
  /** The digests of a presented key under every pepper. Computed lazily. */
  candidates(secret: string): Iterable<KeyDigest>
  /** The index of an in-memory cache: a hash that is valid in this process only, and three times as fast. */
  cacheIndex(secret: string): string
  /** The keyed hash of a client address for a counter row: 16 hex digits, 2^64 values, useless without the pepper. */
  ofAddress(address: string): string
  /** The keyed hash of a provider's owner: useless without the pepper, which is that of new keys. */
  ofOwner(providerId: string, ownerId: string): string
  /** The version of the pepper of new keys. */
  readonly newestPepper: string
  /** Whether this pepper is older than the one of new keys. False for one that is accepted only, and for an unknown one. */
  isOutdated(pepperVersion: string): boolean
  /** Keys for another purpose, derived from every pepper: the first is that of new keys. */
  deriveAll(purpose: string): readonly Buffer[]
}

interface Pepper {
  readonly version: string
  readonly bytes: Uint8Array
  readonly acceptOnly?: boolean
}

/** The peppers in the order of their use: those of keys, newest first, then those that are accepted only. */
export function inOrderOfUse<P extends Pick<Pepper, 'acceptOnly'>>(peppers: readonly P[]): readonly P[] {
  const isAcceptOnly = ({ acceptOnly = false }: P) => acceptOnly
  return [...peppers.filter((pepper) => !isAcceptOnly(pepper)), ...peppers.filter(isAcceptOnly)]
}

/** HMAC-SHA-256 (RFC 2104) under each pepper. */
export function keyDigests(peppers: readonly Pepper[]): KeyDigests {
  const ordered = inOrderOfUse(peppers)
  const [newest] = ordered
  if (newest === undefined || newest.acceptOnly === true) throw new RangeError('keyDigests needs a pepper for new keys')
  const hmacs = ordered.map(({ version, bytes }) => ({ pepperVersion: version, hmac: hmacSha256(bytes) }))
  const outdated = new Set(
    ordered.filter((one) => one !== newest && one.acceptOnly !== true).map(({ version }) => version),
  )
  const derive = ({ bytes }: Pepper, purpose: string) =>
    createHmac('sha256', bytes).update(`auth-api/${purpose}`).digest()
  const newestHmac = hmacSha256(newest.bytes)
  const addressHmac = hmacSha256(derive(newest, 'client-address'))
  const ownerHmac = hmacSha256(derive(newest, 'owner'))
  // 32 characters: together with a key's 56 they fit into two blocks of SHA-256.
  const processSecret = randomBytes(24).toString('base64')
  return {
    make: (secret) => ({ pepperVersion: newest.version, digest: newestHmac(secret) }),
    *candidates(secret) {
      for (const { pepperVersion, hmac } of hmacs) yield { pepperVersion, digest: hmac(secret) }
    },
    cacheIndex: (secret) => hash('sha256', processSecret + secret, 'binary'),
    ofAddress: memoized((address) => addressHmac(address).slice(0, 16)),
    ofOwner: (providerId, ownerId) => ownerHmac(`${providerId}|${ownerId}`),
    newestPepper: newest.version,
    isOutdated: (pepperVersion) => outdated.has(pepperVersion),
    deriveAll: (purpose) => ordered.map((pepper) => derive(pepper, purpose)),
  }
}

const ADDRESSES_MAX = 1000

/** Caches the last results: a gateway's customers send many uses from one address. */
function memoized(hashOf: (text: string) => string): (text: string) => string {
  const hashes = new Map<string, string>()
  return (text) => {
    const known = hashes.get(text)
    if (known !== undefined) return known
    if (hashes.size >= ADDRESSES_MAX) hashes.clear()
    const made = hashOf(text)
    hashes.set(text, made)
    return made
  }
}

const BLOCK_BYTES = 64

/**
 * HMAC-SHA-256 in hex, as two one-shot hashes over precomputed pads. Takes less than half the time of `createHmac`,
 * whose objects cost more than the hashing.
 */
function hmacSha256(key: Uint8Array): (text: string) => string {
  const padded = new Uint8Array(BLOCK_BYTES)
  padded.set(key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key)
  const inner = padded.map((byte) => byte ^ 0x36)
  const outer = Buffer.alloc(BLOCK_BYTES + 32)
  outer.set(padded.map((byte) => byte ^ 0x5c))
  return (text) => {
    outer.set(hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer'), BLOCK_BYTES)
    return hash('sha256', outer, 'hex')
  }
}
