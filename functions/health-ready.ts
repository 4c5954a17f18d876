import { endpoint } from '../shared/http/endpoint.ts'
import { toReadinessAnswer } from '../shared/http/views/health.ts'

/** `GET /health/ready`: 200 when every dependency answers, else 503 with the names of the failing ones. */
export const healthReady = endpoint({
  name: 'health-ready',
  method: 'GET',
  route: 'health/ready',
  head: true,
  access: 'public',
  async handle({ provide, log, request }) {
    return toReadinessAnswer(provide, log, request)
  },
})
