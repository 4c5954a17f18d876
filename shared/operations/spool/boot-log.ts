import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import type { UsageSpool } from '../../ports/spool.ts'
import type { BootReports } from '../../ports/usage-boots.ts'
import { throttledWarnings } from '../throttled-warnings.ts'

interface BootLogNeeds {
  readonly boots: BootReports
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  /** `<instance>.<boot>`, unique to this start of the process. */
  readonly producer: string
}

/** Tells the store while the disk of this process holds uses, so that a lost disk is noticed. */
export interface BootLog {
  /**
   * Call before an answer relies on the disk. Returns undefined while the store knows, else a promise that resolves when
   * it was told, or when telling it failed: no answer waits twice.
   */
  hold(): Promise<void> | undefined
  /** Closes the boots of earlier processes whose uses are all sent. */
  watch(): void
  /** Closes the boot if its disk is empty, else reports what waits. */
  stop(): Promise<void>
}

/** A boot is closed after one to two of these without a use on the disk. */
const REPORT_EVERY_MS = 30_000
/** While the store was not told that the boot is open. */
const RETRY_MS = 1000

/** A crash at any point leaves the boot open: it is reported once too often rather than never. */
export function bootLog(needs: BootLogNeeds, spool: UsageSpool): BootLog {
  const writer = bootWriter(needs, spool)
  let state: 'closed' | 'opening' | 'open' | 'closing' = 'closed'
  let opening: Promise<void> | undefined
  let heldSinceReport = false
  let told = true
  let stopped = false
  let cancel: (() => void) | undefined

  const open = async (): Promise<void> => {
    state = 'opening'
    told = await writer.open()
    if (state === 'opening') state = 'open'
    if (!told) cancelTick()
    schedule()
  }

  /** A use that comes meanwhile opens the boot again, after the close. */
  const close = async (): Promise<void> => {
    state = 'closing'
    const closed = await writer.close(() => state === 'closing')
    if (state === 'closing') state = closed ? 'closed' : 'open'
  }

  const report = async (): Promise<void> => {
    told = await writer.report()
  }

  const cancelTick = (): void => {
    cancel?.()
    cancel = undefined
  }

  const tick = (): void => {
    cancel = undefined
    void writer.closeOthers()
    if (state === 'open') void (heldSinceReport || spool.fill().batches > 0 ? report() : close())
    heldSinceReport = false
    schedule()
  }

  const schedule = (): void => {
    if (stopped || (state === 'closed' && !writer.areOthersOpen())) return
    cancel ??= needs.scheduler.after(told ? REPORT_EVERY_MS : RETRY_MS, tick)
  }

  return {
    hold: () => {
      heldSinceReport = true
      if (state === 'open') return undefined
      if (state !== 'opening') opening = open()
      return opening
    },
    watch: () => void writer.closeOthers().then(schedule),
    stop: async () => {
      stopped = true
      cancel?.()
      if (state !== 'closed') await (spool.fill().batches > 0 ? writer.report() : close())
    },
  }
}

/** Writes one after another. No method throws: each warns, and returns false, when the store or the disk failed. */
function bootWriter(needs: BootLogNeeds, spool: UsageSpool) {
  const { boots, clock, producer } = needs
  const warn = throttledWarnings(needs.log, clock)
  let openedAt = clock.now()
  let othersOpen = false
  let steps: Promise<unknown> = Promise.resolve()

  const inTurn = (step: () => Promise<void>): Promise<boolean> => {
    const done = steps.then(step).then(
      () => true,
      () => {
        warn('The store was not told what waits on the local disk.', {})
        return false
      },
    )
    steps = done
    return done
  }

  const report = (): Promise<void> => {
    const { batches, bytes } = spool.fill()
    const { last } = spool.numbering(producer)
    const waiting = { waitingMessages: batches, waitingBytes: bytes }
    return boots.report({ producer, openedAt, reportedAt: clock.now(), lastNumber: last, ...waiting })
  }

  return {
    areOthersOpen: () => othersOpen,
    report: () => inTurn(report),
    open: () =>
      inTurn(async () => {
        openedAt = clock.now()
        spool.markOpen(producer)
        await report()
      }),
    /** Keeps the mark on the disk where `isClosing` no longer holds: the boot is about to open again. */
    close: (isClosing: () => boolean) =>
      inTurn(async () => {
        await closeBoot(needs, spool, producer)
        if (isClosing()) spool.unmarkOpen(producer)
      }),
    closeOthers: () =>
      inTurn(async () => {
        await closeSent(needs, spool, producer)
        othersOpen = spool.openProducers().some((other) => other !== producer)
      }),
  }
}

/** Closes every boot of the file, but for `own`, whose uses the queue has acknowledged. */
export async function closeSent(
  needs: Pick<BootLogNeeds, 'boots' | 'clock'>,
  spool: UsageSpool,
  own?: string,
): Promise<void> {
  const loose = new Set(spool.loose().map(({ producer }) => producer))
  for (const producer of spool.openProducers()) {
    if (producer === own || loose.has(producer) || spool.numbering(producer).oldestWaiting !== undefined) continue
    await closeBoot(needs, spool, producer)
    spool.unmarkOpen(producer)
  }
}

function closeBoot(
  { boots, clock }: Pick<BootLogNeeds, 'boots' | 'clock'>,
  spool: UsageSpool,
  producer: string,
): Promise<void> {
  return boots.close({ producer, closedAt: clock.now(), lastNumber: spool.numbering(producer).last || null })
}
