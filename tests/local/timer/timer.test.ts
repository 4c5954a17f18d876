import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseSchedule } from '../../../local/timer/schedule.ts'
import { startTimer, type Timer, type TimerInfo } from '../../../local/timer/timer.ts'

const START = new Date('2026-01-01T00:00:10')
let timers: Timer[] = []

beforeEach(() => {
  vi.useFakeTimers({ now: START })
})

afterEach(() => {
  for (const timer of timers) void timer.stop()
  timers = []
  vi.useRealTimers()
})

function start(expression: string, run: (info: TimerInfo) => Promise<void>, options = {}) {
  const schedule = parseSchedule(expression)
  const timer = startTimer({ schedule, runOnStartup: false, useMonitor: true, run, ...options })
  timers.push(timer)
  return timer
}

/** Counts how many runs are going on; each takes the given time. */
function slowRun(durationMs: number) {
  const seen = { runs: 0, atOnce: 0, atOnceMax: 0 }
  const run = async () => {
    seen.runs++
    seen.atOnceMax = Math.max(seen.atOnceMax, ++seen.atOnce)
    await new Promise((resolve) => setTimeout(resolve, durationMs))
    seen.atOnce--
  }
  return { seen, run }
}

test('it runs at every occurrence and not before', async () => {
  const times: string[] = []
  start('0 * * * * *', async () => void times.push(new Date().toTimeString().slice(0, 8)))
  await vi.advanceTimersByTimeAsync(49_999)
  expect(times).toEqual([])
  await vi.advanceTimersByTimeAsync(120_001)
  expect(times).toEqual(['00:01:00', '00:02:00', '00:03:00'])
})

test('runs never overlap: occurrences during a run are skipped', async () => {
  const { seen, run } = slowRun(3_500)
  start('* * * * * *', run)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(seen).toMatchObject({ runs: 5, atOnceMax: 1 })
})

test('a run started by hand waits for the one that is going on', async () => {
  const { seen, run } = slowRun(30_000)
  const timer = start('0 * * * * *', run)
  await vi.advanceTimersByTimeAsync(55_000)
  const both = Promise.all([timer.trigger(), timer.trigger()])
  await vi.advanceTimersByTimeAsync(90_000)
  await both
  expect(seen).toMatchObject({ runs: 3, atOnceMax: 1 })
})

test('a schedule of once a minute or less has a status that tells the last and the next run', async () => {
  const infos: TimerInfo[] = []
  start('0 */5 * * * *', async (info) => void infos.push(info))
  await vi.advanceTimersByTimeAsync(600_000)
  expect(infos.map(({ ScheduleStatus }) => ScheduleStatus)).toEqual([
    {
      Last: '0001-01-01T00:00:00',
      Next: new Date('2026-01-01T00:05:00').toISOString(),
      LastUpdated: '0001-01-01T00:00:00',
    },
    {
      Last: new Date('2026-01-01T00:05:00').toISOString(),
      Next: new Date('2026-01-01T00:10:00').toISOString(),
      LastUpdated: new Date('2026-01-01T00:05:00').toISOString(),
    },
  ])
})

test('a schedule of more than once a minute has no status', async () => {
  const infos: TimerInfo[] = []
  start('*/30 * * * * *', async (info) => void infos.push(info))
  await vi.advanceTimersByTimeAsync(20_000)
  expect(infos).toEqual([{ Schedule: { AdjustForDST: true }, ScheduleStatus: null, IsPastDue: false }])
})

test('runOnStartup runs at once, and then on schedule', async () => {
  const { seen, run } = slowRun(0)
  start('0 0 0 * * *', run, { runOnStartup: true })
  await vi.advanceTimersByTimeAsync(1)
  expect(seen.runs).toBe(1)
  await vi.advanceTimersByTimeAsync(24 * 3_600_000)
  expect(seen.runs).toBe(2)
})

test('an occurrence beyond what setTimeout can wait for comes at its time', async () => {
  const { seen, run } = slowRun(0)
  start('0 0 0 1 3 *', run)
  await vi.advanceTimersByTimeAsync(58 * 24 * 3_600_000)
  expect(seen.runs).toBe(0)
  await vi.advanceTimersByTimeAsync(24 * 3_600_000)
  expect(seen.runs).toBe(1)
})

test('stop waits for the run that is going on and lets no other begin', async () => {
  const { seen, run } = slowRun(5_000)
  const timer = start('* * * * * *', run)
  await vi.advanceTimersByTimeAsync(1_500)
  const queued = timer.trigger()
  const stopped = timer.stop()
  await vi.advanceTimersByTimeAsync(60_000)
  await Promise.all([stopped, queued])
  expect(seen).toMatchObject({ runs: 1, atOnce: 0 })
})
