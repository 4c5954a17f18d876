import pLimit from 'p-limit'
import { everyProvider, oneProvider, type ProviderScope } from '../../domain/access/provider-scope.ts'
import { AppError, isOutcomeOpen } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import { getKey } from './get-key.ts'
import {
  type RevocationInput,
  type RevokeKeyNeeds,
  type RevokeOutcome,
  revokeKey,
  writeRevocation,
} from './revoke-key.ts'

/** Where a cascade stands between two calls. Times are ms since the epoch. */
export interface CascadeProgress {
  /** The position in the listing of keys; null for its beginning. */
  readonly after: string | null
  /** When the pass began; null: it waits until the last revocation has reached every instance. */
  readonly begunAtMs: number | null
  /** The last revocation of a management key that the cascade has seen. */
  readonly lastRevokedAtMs: number
}

export interface CascadeResult {
  /** Keys that this call revoked, without the root. */
  readonly revoked: number
  /** Keys that this call read from the listing. */
  readonly examined: number
  /** undefined: nothing that the root made is left. */
  readonly next: CascadeProgress | undefined
  /** How long the next call should wait. */
  readonly waitMs: number
}

const PAGE_KEYS = 100
/** What one call reads at most. */
const PAGES_MAX = 20
const CALL_MS_MAX = 20_000
const REVOCATIONS_AT_ONCE = 10
/** A revoked key is accepted elsewhere for up to 10 s and may make keys until then; the rest is for skewed clocks. */
const SETTLE_MS = 15_000
/** Clocks of instances differ by less: a key that is older than the root by more was not made by it. */
const SKEW_MS = 5 * 60_000

/**
 * Revokes a management key, the root, and then what it made, transitively: every key whose chain of `createdBy` leads to
 * it. One call reads up to 2,000 keys of the root's provider and begins no page after 20 s; `next` is where the following
 * call goes on. A pass over all keys is repeated unless it began 15 s after the last revocation of a management key:
 * until then another instance may have accepted that key. Idempotent: started again after a crash, it does the rest.
 *
 * Throws what `revokeKey` throws. Throws `forbidden`, before anything is done, for a caller that is the root or was made
 * by it: the cascade would end the caller midway. Where the root's revocation is pending, nothing else is revoked yet.
 */
export async function revokeWithMadeKeys(
  needs: RevokeKeyNeeds,
  scope: ProviderScope,
  input: RevocationInput,
  progress: CascadeProgress | undefined,
): Promise<{ readonly outcome: RevokeOutcome; readonly cascade: CascadeResult }> {
  const before = await getKey(needs.ending, scope, input.keyId).catch(undefinedIfUnread)
  if (before !== undefined && (await madeBy(needs.ending.keys, before)(input.by))) throw endsItsCaller()
  const outcome = await revokeKey(needs, scope, input)
  const nowMs = needs.clock.now().getTime()
  const begun = progress ?? { after: null, begunAtMs: nowMs, lastRevokedAtMs: 0 }
  const revokedAtMs = before?.revocation?.at.getTime() ?? nowMs
  const current = { ...begun, lastRevokedAtMs: Math.max(begun.lastRevokedAtMs, revokedAtMs) }
  if (outcome.kind === 'pending') return { outcome, cascade: { revoked: 0, examined: 0, next: current, waitMs: 0 } }
  return { outcome, cascade: await goOn(needs, outcome.key, current, input) }
}

async function goOn(needs: RevokeKeyNeeds, root: Key, progress: CascadeProgress, input: RevocationInput) {
  if (root.kind !== 'management') return { revoked: 0, examined: 0, next: undefined, waitMs: 0 }
  const nowMs = needs.clock.now().getTime()
  const waitMs = progress.lastRevokedAtMs + SETTLE_MS - nowMs
  if (progress.begunAtMs === null && waitMs > 0) return { revoked: 0, examined: 0, next: progress, waitMs }
  return passOver(needs, root, { ...progress, begunAtMs: progress.begunAtMs ?? nowMs }, input)
}

async function passOver(
  needs: RevokeKeyNeeds,
  root: Key,
  progress: CascadeProgress & { readonly begunAtMs: number },
  input: RevocationInput,
): Promise<CascadeResult> {
  const { keys, clock } = needs
  const startedAtMs = clock.monotonicMs()
  const isMade = madeBy(keys, root)
  let { after, lastRevokedAtMs } = progress
  let [revoked, examined] = [0, 0]
  for (let pages = 0; pages < PAGES_MAX && clock.monotonicMs() - startedAtMs < CALL_MS_MAX; pages++) {
    const page = await pageOf(keys, root, after)
    const made = await chosen(page.items, ({ createdBy }) => isMade(createdBy))
    const ended = await pLimit(REVOCATIONS_AT_ONCE).map(made, async (key) => {
      if (key.revocation !== null) return key
      revoked++
      return writeRevocation(needs, everyProvider, { ...input, keyId: key.keyId, replacedBy: null })
    })
    const ends = ended
      .filter(({ kind }) => kind === 'management')
      .map(({ revocation }) => revocation?.at.getTime() ?? 0)
    lastRevokedAtMs = Math.max(lastRevokedAtMs, ...ends)
    examined += page.items.length
    after = page.next
    if (after === null)
      return { revoked, examined, ...afterPass({ ...progress, lastRevokedAtMs }, clock.now().getTime()) }
  }
  return { revoked, examined, next: { ...progress, after, lastRevokedAtMs }, waitMs: 0 }
}

function afterPass({ begunAtMs, lastRevokedAtMs }: CascadeProgress & { readonly begunAtMs: number }, nowMs: number) {
  const settledAtMs = lastRevokedAtMs + SETTLE_MS
  if (begunAtMs >= settledAtMs) return { next: undefined, waitMs: 0 }
  const next: CascadeProgress = { after: null, begunAtMs: null, lastRevokedAtMs }
  return { next, waitMs: Math.max(0, settledAtMs - nowMs) }
}

function pageOf(keys: KeyStore, { providerId }: Key, after: string | null) {
  const request = { limit: PAGE_KEYS, after }
  return providerId === '*' ? keys.pageAll(everyProvider, request) : keys.page(oneProvider(providerId), request)
}

/** One after the other, so that the items share what the earlier ones looked up. */
async function chosen<Item>(items: readonly Item[], isChosen: (item: Item) => Promise<boolean>): Promise<Item[]> {
  const found: Item[] = []
  for (const item of items) if (await isChosen(item)) found.push(item)
  return found
}

const keyIdShape = /^[0-9A-HJKMNP-TV-Z]{26}$/

/** Whether a caller is the root or was made by it, through any number of keys. Reads each key of a chain once. */
function madeBy(keys: Pick<KeyStore, 'findById'>, root: Key): (callerId: string) => Promise<boolean> {
  const known = new Map([[root.keyId, true]])

  /** The id of the caller that made this key; undefined where that cannot lead to the root. */
  async function makerOf(keyId: string): Promise<string | undefined> {
    const key = keyIdShape.test(keyId) ? (await keys.findById(everyProvider, keyId))?.value : undefined
    const isOlder = key !== undefined && key.createdAt.getTime() < root.createdAt.getTime() - SKEW_MS
    return isOlder ? undefined : key?.createdBy
  }

  return async (callerId) => {
    const chain: string[] = []
    let maker: string | undefined = callerId
    while (maker !== undefined && !known.has(maker)) {
      chain.push(maker)
      maker = await makerOf(maker)
    }
    const isMade = maker !== undefined && known.get(maker) === true
    for (const keyId of chain) known.set(keyId, isMade)
    return isMade
  }
}

function undefinedIfUnread(error: unknown): undefined {
  if (!isOutcomeOpen(error)) throw error
}

function endsItsCaller(): AppError {
  return new AppError(
    'forbidden',
    'The cascade would end the key that makes this call before it is done. Call with a key that this one did not make.',
  )
}
