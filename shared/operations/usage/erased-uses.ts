import pLimit from 'p-limit'
import { everyProvider } from '../../domain/access/provider-scope.ts'
import { keyName } from '../../domain/usage/counters.ts'
import { erasedDay, erasedDelta } from '../../domain/usage/erasure.ts'
import type { DayCounters, UsageDelta, UsagePartition } from '../../domain/usage/usage.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { UsageCodec } from '../../ports/usage.ts'

type Keys = Pick<KeyStore, 'findById'>

const READS_AT_ONCE = 8
const none: ReadonlyMap<string, DayCounters> = new Map()

/** By `keyName`: the counters that an erased key begins the partition's day with, so that they get neither owner nor address. */
export async function erasedDays(
  keys: Keys,
  { day }: UsagePartition,
  deltas: readonly UsageDelta[],
): Promise<ReadonlyMap<string, DayCounters>> {
  if (deltas.length === 0) return none
  const owners = await ownersOfErased(keys, deltas)
  const named = deltas.flatMap((delta) => {
    const owner = owners.get(delta.keyId)
    return owner === undefined ? [] : [[keyName(delta), erasedDay({ ...delta, ownerId: owner() }, day)] as const]
  })
  return new Map(named)
}

/** The uses, in the same order, without owner and addresses where their key is erased. Throws `store_unavailable`. */
export async function withoutErased(keys: Keys, deltas: readonly UsageDelta[]): Promise<readonly UsageDelta[]> {
  const owners = await ownersOfErased(keys, deltas)
  return deltas.map((delta) => {
    const owner = owners.get(delta.keyId)
    return owner === undefined ? delta : erasedDelta(delta, owner)
  })
}

/** The body of a usage message without owner and addresses where a key is erased. Any other body stays as it is. */
export async function withoutErasedIn(
  keys: Keys,
  codec: Pick<UsageCodec, 'parse' | 'erase'>,
  body: string,
): Promise<string> {
  const deltas = deltasOf(codec, body)
  let erased = body
  for (const [keyId, pseudonymOf] of await ownersOfErased(keys, deltas)) {
    const providerId = deltas.find((delta) => delta.keyId === keyId)?.providerId ?? ''
    erased = codec.erase(erased, { providerId, keyId, pseudonymOf }) ?? erased
  }
  return erased
}

/** By the id of each erased key: its pseudonym, whatever the owner. */
async function ownersOfErased(keys: Keys, deltas: readonly UsageDelta[]) {
  const keyIds = new Set(deltas.map(({ keyId }) => keyId))
  const found = await pLimit(READS_AT_ONCE).map(keyIds, (keyId) => keys.findById(everyProvider, keyId))
  return new Map(
    found.flatMap((key) => {
      if (key?.value.erasedAt === undefined) return []
      const { keyId, ownerId } = key.value
      return [[keyId, () => ownerId] as const]
    }),
  )
}

function deltasOf(codec: Pick<UsageCodec, 'parse'>, body: string): readonly UsageDelta[] {
  try {
    return codec.parse(body).deltas
  } catch {
    return []
  }
}
