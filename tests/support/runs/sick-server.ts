import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on a random port of 127.0.0.1 that passes every request to `listener`, and counts the requests. */
export async function startSickServer(listener: RequestListener) {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    connectionString: [
      'DefaultEndpointsProtocol=http;AccountName=sick',
      `AccountKey=${Buffer.from('no real key').toString('base64')}`,
      `TableEndpoint=http://127.0.0.1:${port}`,
    ].join(';'),
    requests: () => requests,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}
