import { app, type InvocationContext, type Timer } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { services } from '../app/worker.ts'
import type { Log } from '../ports/runtime.ts'
import { describeFailure, invocationLog } from '../runtime/log.ts'

interface TimerTriggerSpec {
  /** Name of the function, and of its file. */
  readonly name: string
  /** NCRONTAB, six fields, UTC. */
  readonly cron: string
  readonly handle: (services: Services, log: Log) => Promise<void>
}

/** Declares a timer. The host never lets two runs of one timer overlap; a run that throws is retried at the next tick. */
export function timerTrigger(spec: TimerTriggerSpec) {
  async function run(provide: () => Services, log: Log): Promise<void> {
    try {
      await spec.handle(provide(), log)
    } catch (error) {
      log('error', 'scheduled run failed', { function: spec.name, cause: describeFailure(error) })
      throw error
    }
  }
  app.timer(spec.name, {
    schedule: spec.cron,
    handler: (_timer: Timer, context: InvocationContext) => run(services, invocationLog(context)),
  })
  return { ...spec, run }
}
