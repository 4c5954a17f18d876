import { expect, test } from 'vitest'
import { listen } from '../../../local/http/http-server.ts'
import { sendRaw } from '../../support/requests/raw-socket.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n'

test('a closing server sends the responses to complete requests and cuts off half-sent ones', async () => {
  const server = await listen(0)
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  server.serve(async (request, response) => {
    if (request.method !== 'GET') return
    arrived.resolve()
    await released.promise
    response.end('at last')
  })
  const baseUrl = `http://127.0.0.1:${server.port}`
  const halves = [REQUEST, 'G', `${REQUEST.replace('GET', 'POST')}Content-Length: 9\r\n\r\nhalf`].map((bytes) =>
    sendRaw(baseUrl, bytes),
  )
  const pending = sendRaw(baseUrl, `${REQUEST}\r\n`)
  await arrived.promise
  const closed = server.close()
  released.resolve()
  expect((await pending).text).toContain('at last')
  await closed
  for (const half of halves) expect(await half).toMatchObject({ statuses: [], closed: true })
})
