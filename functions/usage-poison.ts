import { PoisonQuery } from '../shared/contracts/poison.ts'
import { signCursor, verifyCursor } from '../shared/http/cursor.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toPoisonedView } from '../shared/http/views/poison.ts'
import { listPoison } from '../shared/operations/usage/list-poison.ts'

const BINDING = 'usage-poison'

/** `GET /auth/usage/poison`: a page of the usage messages that are set aside, with the reasons. */
export const usagePoison = endpoint({
  name: 'usage-poison',
  method: 'GET',
  route: 'auth/usage/poison',
  access: { operator: 'usage:read' },
  query: PoisonQuery,
  async handle({ query: { limit, cursor }, services }) {
    const after = cursor === undefined ? null : verifyCursor(services.cursorKeys, BINDING, cursor)
    const { items, next } = await listPoison(services, { limit, after })
    const next_cursor = next === null ? null : signCursor(services.cursorKeys, BINDING, next)
    return { body: { items: items.map(toPoisonedView), next_cursor } }
  },
})
