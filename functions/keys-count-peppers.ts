import { countPeppers } from '../shared/operations/keys/count-peppers.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Hourly: counts live keys by pepper, while more than one pepper is in use; else once a day. */
export const keysCountPeppers = timerTrigger({
  name: 'keys-count-peppers',
  cron: '0 47 * * * *',
  async handle(services, log) {
    const outcome = await countPeppers(services, 60)
    if (outcome === 'continues') log('info', 'keys are still being counted by pepper')
  },
})
