import { PushParams, PushStatusQuery } from '../shared/contracts/usage.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toPushStatusView } from '../shared/http/views/usage.ts'
import { readPush } from '../shared/operations/usage/read-push.ts'

/** `GET /auth/keys/batch/usage/{batch_id}`: the progress of a pushed batch. */
export const usagePushStatus = endpoint({
  name: 'usage-push-status',
  method: 'GET',
  route: 'auth/keys/batch/usage/{batch_id:minlength(8)}',
  access: 'usage:write',
  params: PushParams,
  query: PushStatusQuery,
  async handle({ params, query, caller, services }) {
    const scope = resolveProvider(caller, query.provider_id, '/provider_id')
    const { record, progress } = await readPush(services, scope, params.batch_id)
    return { body: toPushStatusView(record, progress) }
  },
})
