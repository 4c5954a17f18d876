import { dropMonths } from '../shared/operations/usage/drop-months.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Daily at 02:27 UTC: drops the months of usage that are older than `USAGE_RETENTION_MONTHS`. */
export const usageRetention = timerTrigger({
  name: 'usage-retention',
  cron: '0 27 2 * * *',
  async handle(services, log) {
    await dropMonths({ ...services, log }, services.usageRetentionMonths)
  },
})
