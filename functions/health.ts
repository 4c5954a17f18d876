import { endpoint } from '../shared/http/endpoint.ts'

/** `GET /health`: the process is alive and answers. It asks nothing of anyone else. */
export const health = endpoint({
  name: 'health',
  method: 'GET',
  route: 'health',
  access: 'public',
  async handle() {
    return { body: { status: 'ok' } }
  },
})
