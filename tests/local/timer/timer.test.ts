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

/** Counts runs and concurrent runs; each run takes the given time. */
function slowRun(durationMs: number) {
  const seen = { runs: 0, concurrent: 0, concurrentMax: 0 }
  const run = async () => {
    seen.runs++
    seen.concurrentMax = Math.max(seen.concurrentMax, ++seen.concurrent)
    await new Promise((resolve) => setTimeout(resolve, durationMs))
    seen.concurrent--
  }
  return { seen, run }
}

test('it runs at every occurrence and never before', async () => {
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
  expect(seen).toMatchObject({ runs: 5, concurrentMax: 1 })
})

test('a manual run waits for the current run', async () => {
  const { seen, run } = slowRun(30_000)
  const timer = start('0 * * * * *', run)
  await vi.advanceTimersByTimeAsync(55_000)
  const both = Promise.all([timer.trigger(), timer.trigger()])
  await vi.advanceTimersByTimeAsync(90_000)
  await both
  expect(seen).toMatchObject({ runs: 3, concurrentMax: 1 })
})

test('a schedule of at most once a minute has a status with the last and the next run', async () => {
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

test('an occurrence beyond the longest delay of setTimeout runs at its time', async () => {
  const { seen, run } = slowRun(0)
  start('0 0 0 1 3 *', run)
  await vi.advanceTimersByTimeAsync(58 * 24 * 3_600_000)
  expect(seen.runs).toBe(0)
  await vi.advanceTimersByTimeAsync(24 * 3_600_000)
  expect(seen.runs).toBe(1)
})

test('stop waits for the current run and starts no other', async () => {
  const { seen, run } = slowRun(5_000)
  const timer = start('* * * * * *', run)
  await vi.advanceTimersByTimeAsync(1_500)
  const queued = timer.trigger()
  const stopped = timer.stop()
  await vi.advanceTimersByTimeAsync(60_000)
  await Promise.all([stopped, queued])
  expect(seen).toMatchObject({ runs: 1, concurrent: 0 })
})
