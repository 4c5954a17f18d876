/** A read in the total order of all reads and changes. A time would not do: two of them may share a millisecond. */
export interface Sequenced {
  /** The sequence number at which the read began. */
  readonly sequence: number
  /** No change up to this sequence number invalidated it. */
  checkedUpTo: number
}

/** Orders changes and reads, so that a read is invalidated by every later change of its tag. */
export interface InvalidationLog {
  /** Returns the sequence number of a read that begins now. */
  begin(): number
  record(tag: string): void
  /** Records a change of every tag. */
  recordAll(): void
  /** Whether a change of the tag was recorded since the read began. */
  isInvalidated(tag: string, read: Sequenced): boolean
  /** Fast path: true when no change at all was recorded since the last check of this read. Needs no tag. */
  isClean(read: Sequenced): boolean
}

/** Stores at most `maxChanges` changes. One more is recorded as a change of every tag. */
export function invalidationLog(maxChanges: number): InvalidationLog {
  const changes = new Map<string, number>()
  let sequence = 0
  let lastChange = 0
  let lastOfAll = 0

  function recordAll(): void {
    lastChange = ++sequence
    lastOfAll = lastChange
    changes.clear()
  }

  return {
    recordAll,
    begin: () => ++sequence,
    record(tag) {
      if (changes.size >= maxChanges) return recordAll()
      lastChange = ++sequence
      changes.set(tag, lastChange)
    },
    isClean: (read) => read.checkedUpTo >= lastChange,
    isInvalidated(tag, read) {
      if (read.sequence < lastOfAll || read.sequence < (changes.get(tag) ?? 0)) return true
      read.checkedUpTo = lastChange
      return false
    },
  }
}
