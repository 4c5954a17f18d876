import { reconcileUsage } from '../shared/operations/usage/reconcile-usage.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Daily at 04:07 UTC: reconciles the last 24 hours, so that a loss raises an alarm without a request. */
export const usageReconcile = timerTrigger({
  name: 'usage-reconcile',
  cron: '0 7 4 * * *',
  async handle(services, log) {
    const { verdict, queueDepth, poisonDepth } = await reconcileUsage({ ...services, log }, { from: null, to: null })
    log('info', 'usage reconciled', { verdict, queueDepth, poisonDepth })
  },
})
