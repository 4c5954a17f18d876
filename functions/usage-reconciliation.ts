import { ReconciliationQuery } from '../shared/contracts/usage.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { toRangeRequest, toReconciliationView } from '../shared/http/views/usage.ts'
import { reconcileUsage } from '../shared/operations/usage/reconcile-usage.ts'

/** `GET /auth/usage/reconciliation`: accounts for the uses of every hour. `missing` above 0 is an alarm. */
export const usageReconciliation = endpoint({
  name: 'usage-reconciliation',
  method: 'GET',
  route: 'auth/usage/reconciliation',
  access: { operator: 'usage:read' },
  query: ReconciliationQuery,
  async handle({ query, services, log }) {
    return { body: toReconciliationView(await reconcileUsage({ ...services, log }, toRangeRequest(query))) }
  },
})
