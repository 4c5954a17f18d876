import { PushQuery } from '../shared/contracts/usage.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { canonicalJson } from '../shared/http/canonical-json.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { pushStatusUrl, toPushReplayView, toPushView } from '../shared/http/views/usage.ts'
import { readPushBody } from '../shared/http/views/usage-push.ts'
import { pushUsage } from '../shared/operations/usage/push-usage.ts'

/** Events are looked up by key, a few keys at a time: they weigh less than validations. */
const EVENTS_PER_UNIT = 20

/** `POST /auth/keys/batch/usage`: counts each event once, however often the batch is retried. */
export const usagePush = endpoint({
  name: 'usage-push',
  method: 'POST',
  route: 'auth/keys/batch/usage',
  access: 'usage:write',
  unlimited: true,
  query: PushQuery,
  rawBody: true,
  maxBodyBytes: 4 * 1024 * 1024,
  idempotent: true,
  async handle({ request, text, query, caller, seed, services, weigh }) {
    const scope = resolveProvider(caller, query.provider_id, '/provider_id')
    const { batchId = seed, items } = readPushBody(request, text, query.batch_id)
    weigh(Math.ceil(items.length / EVENTS_PER_UNIT))
    const record = await pushUsage({ ...services, ...services.pushing }, scope, {
      batchId,
      body: canonicalJson(text),
      items,
    })
    const location = pushStatusUrl(caller, scope, batchId)
    const body = toPushView(record, location)
    return { status: 202, headers: { location }, body, replayBody: toPushReplayView(body) }
  },
})
