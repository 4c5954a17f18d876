import { carryOutRevocation } from '../shared/operations/keys/carry-out-revocation.ts'
import { queueTrigger } from '../shared/triggers/queue-trigger.ts'

/** Carries out the revocations that were answered with 202, and retries each for as long as the store is down. */
export const keysRevokePending = queueTrigger({
  name: 'keys-revoke-pending',
  queue: 'key-events',
  handle: (body, services, log) => carryOutRevocation(services, body, log),
})
