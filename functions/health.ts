import { endpoint } from '../shared/http/endpoint.ts'

/** `GET /health`: the process is alive. Makes no request to any dependency. */
export const health = endpoint({
  name: 'health',
  method: 'GET',
  route: 'health',
  head: true,
  access: 'public',
  async handle() {
    return { body: { status: 'ok' } }
  },
})
