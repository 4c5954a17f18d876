import * as z from 'zod'

const MINIMUM_PEPPER_BYTES = 32

export interface Pepper {
  /** `p1`, `p2` …: stored with every key, so that a key is found again under the pepper that made its digest. */
  readonly version: string
  readonly bytes: Uint8Array
  /** Keys are looked up under this pepper, and none is hashed with it: other instances may not have it yet. */
  readonly acceptOnly: boolean
}

/** `KEY_PEPPERS`: `version:base64` newest first, separated by commas. `version?:base64` is accepted only. */
export const Peppers = z
  .string()
  .min(1, 'is missing: give `p1:` and 32 or more random bytes in base64')
  .transform((text, context): Pepper[] => {
    const peppers = text.split(',').map(parsePepper)
    const good = peppers.filter((pepper) => pepper !== undefined)
    if (good.length < peppers.length) {
      context.addIssue('must be a comma-separated list of `version:base64`, newest first, each of 32 bytes or more')
    }
    if (new Set(good.map(({ version }) => version)).size < good.length) {
      context.addIssue('names one version twice')
    }
    if (good.length > 0 && good.every(({ acceptOnly }) => acceptOnly)) {
      context.addIssue('must have a pepper without `?`: one that new keys are hashed with')
    }
    return good
  })

function parsePepper(text: string): Pepper | undefined {
  const match = /^\s*([a-z][a-z0-9]{0,15})(\??):([A-Za-z0-9+/]+={0,2})\s*$/.exec(text)
  const [, version, mark, base64] = match ?? []
  if (version === undefined || base64 === undefined) return undefined
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length < MINIMUM_PEPPER_BYTES ? undefined : { version, bytes, acceptOnly: mark === '?' }
}
