import { sealDays } from '../shared/operations/usage/seal-days.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Daily at 01:37 UTC: seals days older than 35 days, which ends their counting. */
export const usageSeal = timerTrigger({
  name: 'usage-seal',
  cron: '0 37 1 * * *',
  async handle(services, log) {
    const partitions = await sealDays(services)
    if (partitions > 0) log('info', 'usage days sealed', { partitions })
  },
})
