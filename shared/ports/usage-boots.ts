import type { ClosedBoot, OpenBoot } from '../domain/usage/boots.ts'

/** What boots tell of themselves. A boot reports before an answer relies on its disk alone, and closes when it is empty. */
export interface BootReports {
  /** Opens the boot, or replaces its last report. Idempotent. */
  report(boot: OpenBoot): Promise<void>
  /** Ends the reports of the boot, which may open again. Idempotent. */
  close(boot: ClosedBoot): Promise<void>
}

/** The boots of all instances, for reconciliation. In no order. */
export interface BootJournal {
  /** The boots that are not closed. */
  open(): AsyncIterable<OpenBoot>
  /** The boots that were closed on a day, `YYYYMMDD`. */
  closedOn(day: string): AsyncIterable<ClosedBoot>
}
