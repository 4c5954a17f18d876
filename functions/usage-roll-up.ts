import { rollUpUsage } from '../shared/operations/usage/roll-up-usage.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Copies what was counted to where it is read, every minute. */
export const usageRollUp = timerTrigger({
  name: 'usage-roll-up',
  cron: '0 * * * * *',
  handle: (services, log) => rollUpUsage({ ...services, log }),
})
