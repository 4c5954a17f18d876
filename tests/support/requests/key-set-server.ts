import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface KeySetServer {
  readonly addressOf: (tenantId: string) => string
  /** The requested paths. */
  readonly asked: readonly string[]
  /** The JWKs of each tenant. */
  readonly published: Map<string, readonly object[]>
  /** Replaces the answer with the key set. */
  answer: RequestListener | undefined
  stop(): Promise<void>
}

/** Serves the key sets of tenants (RFC 7517) on a free port. */
export async function startKeySetServer(): Promise<KeySetServer> {
  const asked: string[] = []
  const published = new Map<string, readonly object[]>()
  const state: { answer: RequestListener | undefined } = { answer: undefined }
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (state.answer !== undefined) return state.answer(request, response)
    const keys = published.get(request.url?.slice(1) ?? '')
    response.writeHead(keys === undefined ? 404 : 200, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify({ keys }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(state, {
    asked,
    published,
    addressOf: (tenantId: string) => `http://127.0.0.1:${port}/${tenantId}`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}
