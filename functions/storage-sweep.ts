import { sweepStorage } from '../shared/operations/maintenance/sweep-storage.ts'
import { timerTrigger } from '../shared/triggers/timer-trigger.ts'

/** Daily at 03:17 UTC: removes expired rows and dangling pointers, and clears expired addresses of revoked uses. */
export const storageSweep = timerTrigger({
  name: 'storage-sweep',
  cron: '0 17 3 * * *',
  async handle(services, log) {
    for (const { name, looked, removed, complete } of await sweepStorage(services, 60)) {
      log(complete ? 'info' : 'warn', 'storage swept', { table: name, looked, removed, complete })
    }
  },
})
