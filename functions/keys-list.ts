import { ListKeysQuery } from '../shared/contracts/keys.ts'
import { resolveProvider } from '../shared/http/authorize.ts'
import { signCursor, verifyCursor } from '../shared/http/cursor.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toKeyView } from '../shared/http/views/keys.ts'
import { listKeys } from '../shared/operations/keys/list-keys.ts'

/** `GET /auth/keys`: a page of one provider's keys, newest first. Pages may be short; null `next_cursor` is the end. */
export const keysList = endpoint({
  name: 'keys-list',
  method: 'GET',
  route: 'auth/keys',
  access: 'keys:read',
  query: ListKeysQuery,
  async handle({ query: { provider_id, limit, cursor, ...filters }, caller, services }) {
    const scope = resolveProvider(caller, provider_id, '/provider_id')
    const binding = JSON.stringify([scope.providerId, filters])
    const after = cursor === undefined ? null : verifyCursor(services.cursorKeys, binding, cursor)
    const filter = { ...filters, ownerId: filters.owner_id, createdBy: filters.created_by, namePrefix: filters.name }
    const page = await listKeys(services, scope, filter, { limit, after })
    const lastUsed = await services.reports.lastUsed(
      scope,
      page.items.map(({ keyId }) => keyId),
    )
    const now = services.clock.now()
    const items = page.items.map((key) => toKeyView(key, now, lastUsed.get(key.keyId)))
    return {
      body: { items, next_cursor: page.next === null ? null : signCursor(services.cursorKeys, binding, page.next) },
    }
  },
})
