import type { Limit } from '../../../shared/domain/limits/limit.ts'
import { cellsOf } from '../../../shared/domain/limits/window-cells.ts'
import type { Limiter, LimitJournal } from '../../../shared/ports/limits.ts'
import { memoryLimitJournal } from '../memory/memory-limit-journal.ts'

/** What is planted in the limiter or its surroundings: a fault that the verdict must show. */
export const plantedFaults = [
  'edits are learned late',
  'an old lease is honoured',
  'an edit starts a new count',
  'a rotation starts over',
  'a blip is an outage',
  'the disk forgets',
  'a start without a disk has a whole share',
] as const
export type PlantedFault = (typeof plantedFaults)[number]

interface KnownLimit {
  readonly limit: Limit
  /** The limit as it was before its last edit; undefined without an edit. */
  readonly before: Limit | undefined
  readonly rotation: number
}

/** The limit that an instance asks for, spoilt by the fault. */
function askedLimit(limit: Limit, rotation: number, planted: PlantedFault | undefined): Limit {
  switch (planted) {
    case 'a rotation starts over':
      return { ...limit, subject: `key:${rotation}` }
    case 'an edit starts a new count':
      return { ...limit, record: `l${limit.version ?? 0}` }
    case 'an old lease is honoured':
      return { ...limit, holder: `${limit.holder}/${limit.version ?? 0}` }
    case 'a blip is an outage':
      return { ...limit, inOutage: 'allowance' }
    default:
      return limit
  }
}

/** Takes one use. With the fault, what is leased under the policy before the last edit is spent first. */
export function takeOne(limiter: Limiter, known: KnownLimit, planted: PlantedFault | undefined) {
  const asked = askedLimit(known.limit, known.rotation, planted)
  if (planted !== 'an old lease is honoured' || known.before === undefined) return limiter.take([asked], 1)
  const taking = limiter.take([askedLimit(known.before, known.rotation, planted)], 1)
  if (!(taking instanceof Promise) && taking.kind === 'taken') return taking
  return limiter.take([asked], 1)
}

/** The disk of a restarted instance, where the fault spoils it. */
export function spoiltDisk(planted: PlantedFault | undefined, keepsDisk: boolean): LimitJournal | undefined {
  if (planted === 'the disk forgets') return memoryLimitJournal()
  if (planted === 'a start without a disk has a whole share' && !keepsDisk) return boastfulJournal()
  return undefined
}

/** Claims that this instance alone wrote the limit's record, and that it read nothing there. */
function boastfulJournal(): LimitJournal {
  return {
    find: (limit) => ({
      ...{ limit, record: undefined, readAtMs: Number.POSITIVE_INFINITY, division: cellsOf(limit.window).name },
      ...{ spent: new Map(), writers: 1, peakWriters: 1 },
    }),
    save: () => undefined,
  }
}
