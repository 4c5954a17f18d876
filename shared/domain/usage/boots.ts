import { DAY_MS } from './range.ts'

/** A start of a process whose local disk holds, or may hold, uses that the queue does not have. */
export interface OpenBoot {
  /** `<instance>.<boot>` */
  readonly producer: string
  readonly openedAt: Date
  /** When the process last reported. */
  readonly reportedAt: Date
  /** The highest sequence number that it had assigned then; null when unknown. */
  readonly lastNumber: number | null
  /** What waited on the disk then. Loose uses count as one message. */
  readonly waitingMessages: number
  readonly waitingBytes: number
}

/** A boot whose disk holds no use any more: the queue has acknowledged every number up to the last. */
export interface ClosedBoot {
  readonly producer: string
  readonly closedAt: Date
  readonly lastNumber: number | null
}

/** `unclosed`: silent for a day, and no process took its disk over. Its uses are lost, or wait on a disk. */
export interface JudgedBoot extends OpenBoot {
  readonly state: 'open' | 'unclosed'
}

const UNCLOSED_AFTER_MS = DAY_MS

/** Returns the boots to report for a window: those that are open, and those that became `unclosed` in the window. */
export function judgeBoots(
  boots: readonly OpenBoot[],
  { from, to, now }: { readonly from: Date; readonly to: Date; readonly now: Date },
): readonly JudgedBoot[] {
  return boots.flatMap((boot): readonly JudgedBoot[] => {
    const unclosedAt = new Date(boot.reportedAt.getTime() + UNCLOSED_AFTER_MS)
    if (unclosedAt > now) return [{ ...boot, state: 'open' }]
    return unclosedAt >= from && unclosedAt < to ? [{ ...boot, state: 'unclosed' }] : []
  })
}

/** Splits `<instance>.<boot>`: an instance has no dot in its name. */
export function splitProducer(producer: string): { readonly instance: string; readonly boot: string } {
  const [instance = '', ...boot] = producer.split('.')
  return { instance, boot: boot.join('.') }
}
