import type { Schedule } from './schedule.ts'

/** Names as the host spells them; @azure/functions converts them to camelCase. */
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
  /** Runs the function now, or after the current run. */
  trigger: () => Promise<void>
  /** Starts no further run; resolves when the last run has ended. */
  stop: () => Promise<void>
}

const MINUTE_MS = 60_000
/** setTimeout treats a longer delay as 1 ms. */
const DELAY_MAX_MS = 2 ** 31 - 1
const NEVER = '0001-01-01T00:00:00'

/**
 * Runs a function on a schedule. Runs never overlap, manual runs included; an occurrence during a run is skipped. Azure
 * stores the last run and reports a missed one; this host stores nothing, so IsPastDue is always false. A schedule with
 * more than one occurrence a minute has no ScheduleStatus, as in Azure.
 */
export function startTimer({ schedule, runOnStartup, useMonitor, run }: TimerOptions): Timer {
  const monitored = useMonitor && !isSubMinute(schedule)
  let status = { Last: NEVER, Next: schedule.next(new Date()).toISOString(), LastUpdated: NEVER }
  let runs = Promise.resolve()
  let pendingRuns = 0
  let stopped = false
  let timeout: NodeJS.Timeout | undefined

  const runOnce = async () => {
    if (stopped) return
    await run({ Schedule: { AdjustForDST: true }, ScheduleStatus: monitored ? status : null, IsPastDue: false })
    const now = new Date()
    status = { Last: now.toISOString(), Next: schedule.next(now).toISOString(), LastUpdated: now.toISOString() }
  }
  const trigger = () => {
    pendingRuns++
    runs = runs.then(runOnce).finally(() => pendingRuns--)
    return runs
  }
  const waitUntil = (due: Date) => {
    const leftMs = due.getTime() - Date.now()
    if (stopped) return
    // A timeout may fire 1 ms early and cannot exceed 24 days: check again until the occurrence is due.
    if (leftMs > 0) timeout = setTimeout(() => waitUntil(due), Math.min(leftMs, DELAY_MAX_MS))
    else void (pendingRuns > 0 ? runs : trigger()).then(scheduleNext)
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
