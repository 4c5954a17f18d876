import { redrivePoison } from '../shared/operations/usage/redrive-poison.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Every 5 minutes: re-drives poisoned usage messages, and keeps the alarm on while there are any. */
export const usagePoisonRedrive = timerTrigger({
  name: 'usage-poison-redrive',
  cron: '0 */5 * * * *',
  async handle(services, log) {
    await redrivePoison({ ...services, log, meter: services.metrics.meter })
  },
})
