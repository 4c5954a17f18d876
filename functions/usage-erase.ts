import { eraseUsage } from '../shared/operations/usage/erase-usage.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Every 5 minutes: takes owners and addresses of erased keys out of the usage data, for at most a minute. */
export const usageErase = timerTrigger({
  name: 'usage-erase',
  cron: '40 */5 * * * *',
  async handle(services, log) {
    const { steps, changed, completed } = await eraseUsage({ ...services, ...services.erasing, log }, 60)
    if (steps > 0) log('info', 'usage data erased', { steps, changed, completed })
  },
})
