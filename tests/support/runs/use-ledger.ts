/** What a test driver knows of the uses of each key. */
export interface UseLedger {
  /** Records a use that was sent. An acknowledged use must be counted; another one may or may not be. */
  validation(keyId: string, acknowledged: boolean): void
  /** Records an accepted push: all of its uses must be counted, once. */
  push(usesByKey: ReadonlyMap<string, number>): void
  totals(): { readonly attempted: number; readonly acknowledged: number }
  /** Compares the ledger with the counters. Missing: acknowledged uses only. Extra: uses beyond all attempts. */
  compare(countedByKey: ReadonlyMap<string, number>): Comparison
}

export interface Comparison {
  readonly counted: number
  /** Acknowledged uses that were not counted. */
  readonly lost: number
  /** Counted uses that were never sent. */
  readonly double: number
  /** Counted uses without an acknowledgement. */
  readonly countedUnacknowledged: number
}

interface Entry {
  attempted: number
  acknowledged: number
}

export function useLedger(): UseLedger {
  const entries = new Map<string, Entry>()

  const add = (keyId: string, attempted: number, acknowledged: number) => {
    const entry = entries.get(keyId) ?? { attempted: 0, acknowledged: 0 }
    entry.attempted += attempted
    entry.acknowledged += acknowledged
    entries.set(keyId, entry)
  }
  const sum = (count: (entry: Entry, keyId: string) => number) =>
    [...entries].reduce((total, [keyId, entry]) => total + count(entry, keyId), 0)

  return {
    validation: (keyId, acknowledged) => add(keyId, 1, acknowledged ? 1 : 0),
    push: (usesByKey) => {
      for (const [keyId, uses] of usesByKey) add(keyId, uses, uses)
    },
    totals: () => ({ attempted: sum((entry) => entry.attempted), acknowledged: sum((entry) => entry.acknowledged) }),
    compare: (countedByKey) => {
      const countedOf = (keyId: string) => countedByKey.get(keyId) ?? 0
      return {
        counted: [...countedByKey.values()].reduce((total, count) => total + count, 0),
        lost: sum((entry, keyId) => Math.max(0, entry.acknowledged - countedOf(keyId))),
        double: sum((entry, keyId) => Math.max(0, countedOf(keyId) - entry.attempted)),
        countedUnacknowledged: sum((entry, keyId) =>
          Math.max(0, Math.min(countedOf(keyId), entry.attempted) - entry.acknowledged),
        ),
      }
    },
  }
}
