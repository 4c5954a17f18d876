import type { UsageEvent } from '../domain/usage/usage.ts'
import type { RevocationSpool } from './keys.ts'

/** A message as it is sent. Producer and number identify it, and stay the same on every resend. */
export interface SpooledBatch {
  /** `<instance>.<boot>` */
  readonly producer: string
  readonly number: number
  readonly body: string
  readonly madeAtMs: number
}

/**
 * Uses on the local disk until the queue has acknowledged them. At any time an event is either loose or in one batch. Every
 * method is one synced step: once it has returned, its effect survives a SIGKILL. Every method throws when the disk fails.
 */
export interface UsageSpool {
  /** `full`: the spool has reached its bound, or the disk is full; nothing was written. */
  append(producer: string, events: readonly UsageEvent[]): 'kept' | 'full'
  /** The events that were appended and are in no batch, by producer, in order. */
  loose(): readonly LooseUses[]
  /** Replaces all loose uses of the producer by the batches. */
  storeBatches(producer: string, batches: readonly SpooledBatch[]): 'stored' | 'full'
  /** Replaces all loose uses of the producer by these, which are the same uses, folded. `full` changes nothing. */
  foldLoose(producer: string, events: readonly UsageEvent[]): 'kept' | 'full'
  numbering(producer: string): Numbering
  /** In the order in which the batches were stored. */
  oldest(limit: number): readonly SpooledBatch[]
  /** Deletes a batch that the queue has acknowledged. */
  remove(batch: SpooledBatch): void
  /** Does not read the disk. */
  fill(): SpoolFill
  /** Notes that the store knows, or is about to know, of this producer as a boot with uses on the disk. */
  markOpen(producer: string): void
  unmarkOpen(producer: string): void
  /** The producers that are marked, also by earlier processes. Their last numbers stay known. */
  openProducers(): readonly string[]
}

export interface LooseUses {
  readonly producer: string
  readonly events: readonly UsageEvent[]
}

export interface Numbering {
  /** The highest number that the producer has assigned; 0 before the first. */
  readonly last: number
  /** The lowest of its numbers that is still in the spool. */
  readonly oldestWaiting: number | undefined
}

interface SpoolFill {
  /** All loose uses count as one batch. */
  readonly batches: number
  /** Of batches and of loose uses. */
  readonly bytes: number
  readonly oldestMadeAtMs: number | undefined
}

/** The contents of one file on the local disk. */
export interface Spool {
  readonly usage: UsageSpool
  readonly revocations: RevocationSpool
}

/** The files of processes that ended and never came back. */
export interface OrphanedSpools {
  /** Opens every file that no process has open, one after the other, each while `take` runs. */
  visit(take: (spool: Spool) => Promise<void>): Promise<void>
}
