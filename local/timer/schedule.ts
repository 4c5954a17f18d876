import { Cron } from 'croner'
import { HostError } from '../errors.ts'
import { timespanMs } from '../runtime/host-json.ts'

export type Schedule = {
  /** Returns the first occurrence strictly after the given time. */
  next: (after: Date) => Date
}

const NAMES = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT'
const FIELD = new RegExp(`^(?:\\d+|[*,/-]|${NAMES})+$`, 'i')

/**
 * Parses a schedule as Functions does: an NCrontab expression of six fields, seconds first (five mean second 0), where
 * day and day-of-week must both match, in local time; or a time span such as `00:00:30`.
 * Throws HostError for anything else, including what croner accepts and NCrontab does not (`L`, `W`, `#`, `?`, Sunday
 * as 7): such a schedule would work here and fail in Azure.
 */
export function parseSchedule(expression: string): Schedule {
  const intervalMs = timespanMs(expression)
  if (intervalMs) return { next: (after) => new Date(after.getTime() + intervalMs) }
  const fields = expression.trim().split(/\s+/)
  const dayOfWeek = fields.at(-1) ?? ''
  if (!fields.every((field) => FIELD.test(field)) || dayOfWeek.split('/')[0]?.includes('7')) {
    throw new HostError(`The schedule "${expression}" is not a valid NCrontab expression.`)
  }
  const cron = parseCron(expression)
  const next = (after: Date) => {
    const occurrence = cron.nextRun(after)
    if (!occurrence) throw new HostError(`The schedule "${expression}" never occurs.`)
    return occurrence
  }
  next(new Date())
  return { next }
}

function parseCron(expression: string): Cron {
  try {
    return new Cron(expression, { paused: true, mode: '5-or-6-parts', domAndDow: true, sloppyRanges: true })
  } catch (error) {
    throw new HostError(`The schedule "${expression}" is not a valid NCrontab expression.`, { cause: error })
  }
}
