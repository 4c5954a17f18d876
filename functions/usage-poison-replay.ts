import { ReplayPoisonBody } from '../shared/contracts/poison.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { replayPoison } from '../shared/operations/usage/replay-poison.ts'

/** `POST /auth/usage/poison/replay`: sends messages that are set aside back to be counted. */
export const usagePoisonReplay = endpoint({
  name: 'usage-poison-replay',
  method: 'POST',
  route: 'auth/usage/poison/replay',
  access: { operator: 'usage:write' },
  body: ReplayPoisonBody,
  idempotent: true,
  async handle({ body: { ids = null }, services }) {
    return { body: await replayPoison(services, ids) }
  },
})
