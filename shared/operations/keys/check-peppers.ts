import { AppError } from '../../domain/errors.ts'
import {
  emptyPepperRecord,
  faultOfPeppers,
  type PepperCount,
  type PepperRecord,
  registerStart,
} from '../../domain/keys/pepper-count.ts'
import type { PepperStore } from '../../ports/keys.ts'
import type { Background, Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { storeCount } from './count-peppers.ts'

/** Checks at the start of an instance that no live key needs a pepper that the settings lack. */
export interface PepperCheck extends Background {
  /**
   * Why this instance serves no call, as a line for the operator; undefined when it does. Waits for the first check,
   * which one read decides, and for no later one. While the store does not answer the instance serves.
   */
  fault(): string | undefined | Promise<string | undefined>
  /** Live keys by pepper, as last counted; undefined before the first count. A call reads the store in the background. */
  counted(): PepperCount | undefined
}

export interface PepperCheckNeeds {
  readonly pepperStore: Pick<PepperStore, 'find' | 'put'>
  /** The versions of the peppers in the settings. */
  readonly pepperVersions: readonly string[]
  /** The pepper of new keys. */
  readonly newestPepper: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
}

/** The interval of a refused instance, which serves as soon as a new count lets it, and of one that could not check. */
const CHECK_AGAIN_MS = 30_000
const COUNT_TTL_MS = 60_000

export function pepperCheck(needs: PepperCheckNeeds): PepperCheck {
  const { pepperStore, pepperVersions, newestPepper, clock, scheduler, log } = needs
  const warn = throttledWarnings(log, clock)
  let first: Promise<void> | undefined
  let known: { readonly fault: string | undefined } | undefined
  let counted: PepperCount | undefined
  let readAtMs = -Infinity
  let isStopped = false
  let cancel = (): void => undefined

  async function register(): Promise<void> {
    await storeCount(pepperStore, (record) => registerStart(record, newestPepper, clock.now()))
  }

  async function read(): Promise<PepperRecord> {
    readAtMs = clock.monotonicMs()
    const record = (await pepperStore.find())?.value ?? emptyPepperRecord
    counted = record.counted ?? undefined
    return record
  }

  async function check(): Promise<void> {
    const fault = faultOfPeppers(await read(), pepperVersions)
    known = { fault }
    if (fault === undefined) return void register().catch(report)
    log('error', 'The service does not start: a pepper that live keys need is missing.', { fault })
  }

  function report(error: unknown): void {
    warn('The peppers in use could not be checked.', { cause: error instanceof AppError ? error.code : String(error) })
  }

  async function run(): Promise<void> {
    await check().catch(report)
    const isDecided = known !== undefined && known.fault === undefined
    if (!isDecided && !isStopped) cancel = scheduler.after(CHECK_AGAIN_MS, () => void run())
  }

  return {
    start: () => {
      first ??= run()
    },
    stop: async () => {
      isStopped = true
      cancel()
      await first
    },
    fault() {
      if (known !== undefined) return known.fault
      first ??= run()
      return first.then(() => known?.fault)
    },
    counted() {
      if (clock.monotonicMs() - readAtMs >= COUNT_TTL_MS) void read().catch(report)
      return counted
    },
  }
}
