import type { UsageEvent } from '../domain/usage/usage.ts'
import type { RevocationSpool } from './keys.ts'

/** A message as it leaves: its id is its producer and its number, and stays the same on every resend. */
export interface SpooledBatch {
  /** `<instance>.<boot>` */
  readonly producer: string
  readonly number: number
  readonly body: string
  readonly madeAtMs: number
}

/**
 * Uses on the local disk until the queue has them. An event is in one place at any time: loose, or in one batch. Every
 * method is one synced step: what it has returned from survives a SIGKILL. Every method throws when the disk fails.
 */
export interface UsageSpool {
  /** `full`: the spool is as large as it may be, or the disk is; nothing was kept. */
  append(producer: string, events: readonly UsageEvent[]): 'kept' | 'full'
  /** What was appended and is in no batch, by producer, in order. */
  loose(): readonly LooseUses[]
  /** The batches take the place of all that the producer has appended. */
  storeBatches(producer: string, batches: readonly SpooledBatch[]): 'stored' | 'full'
  numbering(producer: string): Numbering
  /** In the order in which they were sealed. */
  oldest(limit: number): readonly SpooledBatch[]
  /** Forgets a batch that the queue has acknowledged. */
  remove(batch: SpooledBatch): void
  /** Costs no look at the disk. */
  fill(): SpoolFill
}

export interface LooseUses {
  readonly producer: string
  readonly events: readonly UsageEvent[]
}

export interface Numbering {
  /** The highest number the producer has given, 0 before the first. */
  readonly last: number
  /** The lowest of its numbers that waits in the spool. */
  readonly oldestWaiting: number | undefined
}

interface SpoolFill {
  /** What is loose counts as one. */
  readonly batches: number
  /** Of batches and of loose uses. */
  readonly bytes: number
  readonly oldestMadeAtMs: number | undefined
}

/** What one file on the local disk holds. */
export interface Spool {
  readonly usage: UsageSpool
  readonly revocations: RevocationSpool
}

/** The files that processes left which never came back. */
export interface OrphanedSpools {
  /** Opens those that nobody has, one after the other, for as long as `take` runs. */
  visit(take: (spool: Spool) => Promise<void>): Promise<void>
}
