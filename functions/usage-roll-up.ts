import { rollUpUsage } from '../shared/operations/usage/roll-up-usage.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Every minute: copies counters to the tables that reports read. */
export const usageRollUp = timerTrigger({
  name: 'usage-roll-up',
  cron: '0 * * * * *',
  handle: (services, log) => rollUpUsage({ ...services, log }),
})
