import { type Environment, resolveSettings } from './app-settings.ts'
import type { AppFunction } from './core.ts'
import { describeError } from './describe-error.ts'
import { createTraceContext } from './http-request.ts'
import type { Log } from './log.ts'
import type { RunFunction } from './run-function.ts'
import { parseSchedule } from './schedule.ts'
import { startTimer } from './timer.ts'
import type { Trigger } from './triggers.ts'

/** Starts the schedule of a function with a timer trigger. Throws HostError when the schedule is not valid. */
export function startTimerTrigger(
  fn: AppFunction,
  options: { runFunction: RunFunction; environment: Environment; log: Log },
): Trigger {
  const timer = startTimer({
    schedule: parseSchedule(resolveSettings(fn.trigger.schedule ?? '', options.environment)),
    runOnStartup: fn.trigger.runOnStartup ?? false,
    useMonitor: fn.trigger.useMonitor ?? true,
    run: async (info) => {
      try {
        await options.runFunction(fn, {
          inputData: [{ name: fn.trigger.name, data: { json: JSON.stringify(info) } }],
          traceContext: createTraceContext(),
        })
      } catch (error) {
        options.log('error', `${fn.name} failed: ${describeError(error)}`)
      }
    },
  })
  return { start: timer.trigger, stop: timer.stop }
}
