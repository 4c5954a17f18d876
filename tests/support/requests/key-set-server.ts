import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface KeySetServer {
  readonly addressOf: (tenantId: string) => string
  /** The paths that were asked for. */
  readonly asked: readonly string[]
  /** What each tenant publishes: JWKs. */
  readonly published: Map<string, readonly object[]>
  /** Answers in place of the key set, where it is set. */
  answer: RequestListener | undefined
  stop(): Promise<void>
}

/** Publishes the key sets of tenants (RFC 7517) on a port of its own. */
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
