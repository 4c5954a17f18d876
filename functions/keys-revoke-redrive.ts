import { redriveRevocations } from '../shared/operations/keys/redrive-revocations.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Every minute: sends poisoned revocations back to their queue, and keeps the alarm on while there are any. */
export const keysRevokeRedrive = timerTrigger({
  name: 'keys-revoke-redrive',
  cron: '30 * * * * *',
  async handle(services, log) {
    await redriveRevocations(services, log)
  },
})
