import { KeyParams } from '../shared/contracts/keys.ts'
import { KeyUsageQuery } from '../shared/contracts/usage.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyUsageView, toRangeRequest } from '../shared/http/views/usage.ts'
import { readKeyUsage } from '../shared/operations/usage/read-key-usage.ts'

/** `GET /auth/keys/{token_id}/usage`. Today and yesterday come from the counters, older days from the roll-up. */
export const keysUsage = endpoint({
  name: 'keys-usage',
  method: 'GET',
  route: 'auth/keys/{token_id:minlength(20)}/usage',
  access: 'usage:read',
  params: KeyParams,
  query: KeyUsageQuery,
  async handle({ params, query, caller, services }) {
    const usage = await readKeyUsage(services, caller.scope, params.token_id, toRangeRequest(query))
    return { body: toKeyUsageView(usage) }
  },
})
