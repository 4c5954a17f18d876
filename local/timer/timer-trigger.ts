import { describeError } from '../errors.ts'
import { createTraceContext } from '../http/http-request.ts'
import type { Log } from '../log.ts'
import { type Environment, resolveSettings } from '../runtime/app-settings.ts'
import type { AppFunction } from '../runtime/core.ts'
import type { RunFunction } from '../runtime/run-function.ts'
import type { Trigger } from '../runtime/trigger.ts'
import { parseSchedule } from './schedule.ts'
import { startTimer } from './timer.ts'

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
