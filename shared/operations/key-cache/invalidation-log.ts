/** Something that was read, placed among all reads and changes: two of them may share a millisecond. */
export interface Sequenced {
  /** When its read began. */
  readonly sequence: number
  /** No change up to this turn was about it. */
  checkedUpTo: number
}

/** What was changed, and in which order with what was read. */
export interface InvalidationLog {
  /** The turn of a read that begins now. */
  begin(): number
  record(tag: string): void
  /** Everything may have changed. */
  recordAll(): void
  /** Whether the tag was changed since the read began. */
  isInvalidated(tag: string, read: Sequenced): boolean
  /** Whether nothing at all was changed since this was last asked: then it is not outdated, and needs no tag. */
  isClean(read: Sequenced): boolean
}

/** Remembers at most so many changes; one more, and it takes everything for changed. */
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
