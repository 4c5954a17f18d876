/** Something that was read, placed among all reads and changes: two of them may share a millisecond. */
export interface Turned {
  /** When its read began. */
  readonly turn: number
  /** No change up to this turn was about it. */
  cleanTurn: number
}

/** What was changed, and in which order with what was read. */
export interface ChangeMemory {
  /** The turn of a read that begins now. */
  begin(): number
  note(tag: string): void
  /** Everything may have changed. */
  noteAll(): void
  /** Whether the tag was changed since the read began. */
  isOutdated(tag: string, read: Turned): boolean
  /** Whether nothing at all was changed since this was last asked: then it is not outdated, and needs no tag. */
  isClean(read: Turned): boolean
}

/** Remembers at most so many changes; one more, and it takes everything for changed. */
export function changeMemory(maxChanges: number): ChangeMemory {
  const changes = new Map<string, number>()
  let turns = 0
  let lastChange = 0
  let lastOfAll = 0

  function noteAll(): void {
    lastChange = ++turns
    lastOfAll = lastChange
    changes.clear()
  }

  return {
    noteAll,
    begin: () => ++turns,
    note(tag) {
      if (changes.size >= maxChanges) return noteAll()
      lastChange = ++turns
      changes.set(tag, lastChange)
    },
    isClean: (read) => read.cleanTurn >= lastChange,
    isOutdated(tag, read) {
      if (read.turn < lastOfAll || read.turn < (changes.get(tag) ?? 0)) return true
      read.cleanTurn = lastChange
      return false
    },
  }
}
