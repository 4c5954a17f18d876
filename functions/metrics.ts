import { endpoint } from '../shared/http/endpoint.ts'
import { toMetricsAnswer } from '../shared/http/views/health.ts'

/** `GET /metrics`: this instance's metrics for Prometheus. Reads no table, so it works in an outage. */
export const metrics = endpoint({
  name: 'metrics',
  method: 'GET',
  route: 'metrics',
  access: { operator: 'metrics:read' },
  async handle({ services, log }) {
    return toMetricsAnswer(services.metrics, log)
  },
})
