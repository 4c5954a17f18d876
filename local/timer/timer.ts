import type { Schedule } from './schedule.ts'

/** In the shape in which the host sends it; @azure/functions turns the names into camelCase. */
export type TimerInfo = {
  Schedule: { AdjustForDST: true }
  ScheduleStatus: { Last: string; Next: string; LastUpdated: string } | null
  IsPastDue: boolean
}

export type TimerOptions = {
  schedule: Schedule
  runOnStartup: boolean
  useMonitor: boolean
  /** Never rejects. */
  run: (info: TimerInfo) => Promise<void>
}

export type Timer = {
  /** Runs the function now, or after the run that is going on. */
  trigger: () => Promise<void>
  /** Lets no further run begin; resolves when the last one has ended. */
  stop: () => Promise<void>
}

const MINUTE_MS = 60_000
/** setTimeout takes longer delays for 1 ms. */
const DELAY_MAX_MS = 2 ** 31 - 1
const NEVER = '0001-01-01T00:00:00'

/**
 * Runs a function on a schedule. Runs never overlap, those started by hand included; occurrences that fall into a run
 * are skipped. Where Azure keeps the last run in storage and reports one that was missed, this host knows only its own
 * life: IsPastDue is always false. A schedule with more than one occurrence a minute has no ScheduleStatus, as in Azure.
 */
export function startTimer({ schedule, runOnStartup, useMonitor, run }: TimerOptions): Timer {
  const monitored = useMonitor && !isSubMinute(schedule)
  let status = { Last: NEVER, Next: schedule.next(new Date()).toISOString(), LastUpdated: NEVER }
  let runs = Promise.resolve()
  let runsWaiting = 0
  let stopped = false
  let timeout: NodeJS.Timeout | undefined

  const runOnce = async () => {
    if (stopped) return
    await run({ Schedule: { AdjustForDST: true }, ScheduleStatus: monitored ? status : null, IsPastDue: false })
    const now = new Date()
    status = { Last: now.toISOString(), Next: schedule.next(now).toISOString(), LastUpdated: now.toISOString() }
  }
  const trigger = () => {
    runsWaiting++
    runs = runs.then(runOnce).finally(() => runsWaiting--)
    return runs
  }
  const waitUntil = (due: Date) => {
    const leftMs = due.getTime() - Date.now()
    if (stopped) return
    // A timeout may fire a millisecond early, and cannot be longer than 24 days: look again until it is time.
    if (leftMs > 0) timeout = setTimeout(() => waitUntil(due), Math.min(leftMs, DELAY_MAX_MS))
    else void (runsWaiting > 0 ? runs : trigger()).then(scheduleNext)
  }
  const scheduleNext = () => waitUntil(schedule.next(new Date()))

  if (runOnStartup) void trigger().then(scheduleNext)
  else scheduleNext()
  return {
    trigger,
    stop: () => {
      stopped = true
      clearTimeout(timeout)
      return runs
    },
  }
}

function isSubMinute(schedule: Schedule): boolean {
  const first = schedule.next(new Date())
  return schedule.next(first).getTime() - first.getTime() < MINUTE_MS
}
