import { expect, test } from 'vitest'
import { parseSchedule } from '../../../local/timer/schedule.ts'

const occurrences = (expression: string, from: string, count: number) => {
  const { next } = parseSchedule(expression)
  const times: Date[] = []
  for (let at = new Date(from); times.length < count; times.push(at)) at = next(at)
  return times.map((time) => `${time.toDateString()} ${time.toTimeString().slice(0, 8)}`)
}

// Times without a zone: schedules run in local time.
test.each<[expression: string, from: string, expected: string[]]>([
  ['0 */5 * * * *', '2026-01-01T00:00:00', ['Thu Jan 01 2026 00:05:00', 'Thu Jan 01 2026 00:10:00']],
  ['*/5 * * * *', '2026-01-01T00:00:00', ['Thu Jan 01 2026 00:05:00', 'Thu Jan 01 2026 00:10:00']],
  ['0,30 * * * * *', '2026-01-01T00:00:00', ['Thu Jan 01 2026 00:00:30', 'Thu Jan 01 2026 00:01:00']],
  ['0 5/20 * * * *', '2026-01-01T00:05:00', ['Thu Jan 01 2026 00:25:00', 'Thu Jan 01 2026 00:45:00']],
  ['0 0 9-17/4 * * MON-FRI', '2026-01-02T13:00:00', ['Fri Jan 02 2026 17:00:00', 'Mon Jan 05 2026 09:00:00']],
  ['0 0 0 1 jan *', '2026-01-01T00:00:00', ['Fri Jan 01 2027 00:00:00', 'Sat Jan 01 2028 00:00:00']],
  ['0 0 0 29 2 *', '2026-01-01T00:00:00', ['Tue Feb 29 2028 00:00:00', 'Sun Feb 29 2032 00:00:00']],
  ['00:10:00', '2026-01-01T00:00:00', ['Thu Jan 01 2026 00:10:00', 'Thu Jan 01 2026 00:20:00']],
])('"%s" after %s occurs at %j', (expression, from, expected) => {
  expect(occurrences(expression, from, 2)).toEqual(expected)
})

test('day and day-of-week must both match: every Friday the 13th, and no other day', () => {
  expect(occurrences('0 0 0 13 * FRI', '2026-01-01T00:00:00', 3)).toEqual([
    'Fri Feb 13 2026 00:00:00',
    'Fri Mar 13 2026 00:00:00',
    'Fri Nov 13 2026 00:00:00',
  ])
})

test.each([
  '',
  '* * * *',
  '* * * * * * *',
  '60 * * * * *',
  '0 0 24 * * *',
  '0 0 0 * * 7',
  '0 0 0 * * 5-7',
  '0 0 0 L * *',
  '0 0 0 ? * *',
  '0 0 0 15W * *',
  '0 0 0 * * MON#2',
  '@daily',
  'every day',
  '0 0 0 31 2 *',
])('"%s" is refused: NCrontab refuses it, or it never occurs', (expression) => {
  expect(() => parseSchedule(expression)).toThrow(
    /^The schedule ".*" (is not a valid NCrontab expression|never occurs)\.$/,
  )
})
