import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// The minimal server that answers a request with a body: the baseline for the local host. Prints its URL.

const server = createServer((request, response) => {
  request.on('data', () => undefined)
  request.on('end', () => response.writeHead(200, { 'content-length': 2 }).end('ok'))
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
