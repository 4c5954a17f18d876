import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FaultProxy, noFaults, startFaultProxy } from './fault-proxy.ts'
import type { Outage } from './outage.ts'
import { nameQueueRequest, nameTableRequest } from './storage-request.ts'

const seen: string[] = []
let store: Server
let proxy: FaultProxy

const send = (body: string) =>
  fetch(`http://127.0.0.1:${proxy.port}/account/q/messages?x=1`, { method: 'POST', body }).then(
    async (reply) => ({ status: reply.status, kind: reply.headers.get('x-kind'), text: await reply.text() }),
    () => 'cut' as const,
  )

beforeAll(async () => {
  store = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${body}`)
      response.writeHead(201, { 'x-kind': 'reply' }).end(`got ${body}`)
    })
  })
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
  const targetPort = (store.address() as AddressInfo).port
  proxy = await startFaultProxy({ targetPort, nameOf: nameQueueRequest, seed: 7 })
})

beforeEach(() => {
  seen.length = 0
  proxy.resetCounts()
})

afterAll(async () => {
  await proxy.close()
  await new Promise((resolve) => store.close(resolve))
})

it('passes a request and its reply on unchanged, and counts the request by name', async () => {
  proxy.setRates(noFaults)
  expect(await send('one')).toEqual({ status: 201, kind: 'reply', text: 'got one' })
  expect(seen).toEqual(['POST /account/q/messages?x=1 one'])
  expect([...proxy.requests]).toEqual([['q send', 1]])
})

it('cuts the connection before the store has seen the request', async () => {
  proxy.setRates({ ...noFaults, cutBefore: 1 })
  expect(await send('two')).toBe('cut')
  expect(seen).toEqual([])
  expect(proxy.faults).toEqual({ ...noFaults, cutBefore: 1 })
})

it('loses the reply after the store has done the request', async () => {
  proxy.setRates({ ...noFaults, cutAfter: 1 })
  expect(await send('three')).toBe('cut')
  expect(seen).toEqual(['POST /account/q/messages?x=1 three'])
  expect(proxy.faults).toEqual({ ...noFaults, cutAfter: 1 })
})

it('answers 503 without asking the store', async () => {
  proxy.setRates({ ...noFaults, unavailable: 1 })
  expect(await send('four')).toMatchObject({ status: 503 })
  expect(seen).toEqual([])
})

it('delays a request and then passes it on', async () => {
  proxy.setRates({ ...noFaults, delay: 1 })
  expect(await send('five')).toMatchObject({ status: 201 })
  expect(proxy.faults).toEqual({ ...noFaults, delay: 1 })
})

describe('an outage', () => {
  afterEach(() => proxy.setOutage(null))

  /** Sends on a new connection. */
  const sendBriefly = (body: string) =>
    new Promise<unknown>((resolve) => {
      const options = { port: proxy.port, path: '/account/q/messages', method: 'POST', agent: false } as const
      const sent = request(options, (reply) => {
        let text = ''
        reply.on('data', (chunk) => {
          text += chunk
        })
        reply.on('end', () => resolve({ status: reply.statusCode, text }))
        reply.on('error', () => resolve('half an answer'))
      })
      sent.on('error', () => resolve(timeout.aborted ? 'no answer' : 'cut'))
      const timeout = AbortSignal.timeout(500)
      timeout.addEventListener('abort', () => sent.destroy())
      sent.end(body)
    })

  it.each<[Outage, unknown, number]>([
    ['blackhole', 'no answer', 0],
    ['refuse', 'cut', 0],
    ['unavailable', { status: 503, text: '' }, 0],
    ['throttled', { status: 429, text: '' }, 0],
    ['replyLost', 'cut', 1],
  ])('%s is what a client sees, until it ends', async (outage, answer, done) => {
    proxy.setRates(noFaults)
    await proxy.setOutage(outage)
    expect(await sendBriefly('x')).toEqual(answer)
    expect(seen).toHaveLength(done)
    await proxy.setOutage(null)
    expect(await sendBriefly('y')).toEqual({ status: 201, text: 'got y' })
  })

  it('drip starts a reply and does not finish it in time', async () => {
    proxy.setRates(noFaults)
    await proxy.setOutage('drip')
    expect(await sendBriefly('slow')).toBe('half an answer')
    expect(seen).toHaveLength(1)
  })
})

it.each([
  ['POST', '/a/usage-events/messages?messagettl=-1', 'usage-events send'],
  ['GET', '/a/usage-events/messages?numofmessages=32', 'usage-events receive'],
  ['DELETE', '/a/usage-events/messages/id?popreceipt=x', 'usage-events delete'],
  ['PUT', '/a/usage-events/messages/id?popreceipt=x', 'usage-events renew'],
  ['PUT', '/a/usage-events', 'usage-events create queue'],
])('names the queue request %s %s', (method, url, name) => {
  expect(nameQueueRequest(method, url)).toBe(name)
})

it.each([
  ['POST', '/a/$batch', '$batch transaction'],
  ['POST', '/a/Tables', 'Tables POST'],
  ['POST', '/a/keys', 'keys insert'],
  ['GET', "/a/keys(PartitionKey='ab',RowKey='cd')", 'keys point read'],
  ['GET', '/a/keys()?$filter=x', 'keys query'],
  ['PUT', "/a/keys(PartitionKey='ab',RowKey='c%28d')", 'keys replace'],
])('names the table request %s %s', (method, url, name) => {
  expect(nameTableRequest(method, url)).toBe(name)
})
