import { endpoint } from '../shared/http/endpoint.ts'
import { toMetricsAnswer } from '../shared/http/views/health.ts'

/** `GET /metrics`: what this instance has counted, as Prometheus reads it. Asks no table, so an outage does not blind it. */
export const metrics = endpoint({
  name: 'metrics',
  method: 'GET',
  route: 'metrics',
  access: { operator: 'metrics:read' },
  async handle({ services, log }) {
    return toMetricsAnswer(services.metrics, log)
  },
})
