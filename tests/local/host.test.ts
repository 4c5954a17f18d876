import { readFile } from 'node:fs/promises'
import { request as sendRequest } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAzurite } from '../support/runs/azurite.ts'
import { startLocalHost } from '../support/runs/local-host.ts'
import { writeApp } from './write-app.ts'

const SOURCE = fileURLToPath(new URL('fixtures/basic.cjs', import.meta.url))
const HOST_JSON = {
  extensions: { http: { routePrefix: '' }, queues: { maxDequeueCount: 2, maxPollingInterval: 200 } },
}

let host: Awaited<ReturnType<typeof startLocalHost>>
const cleanUps: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  const azurite = await startAzurite()
  cleanUps.push(azurite.stop)
  const appDir = await writeApp(await readFile(SOURCE, 'utf8'), HOST_JSON, (cleanUp) => cleanUps.push(cleanUp))
  host = await startLocalHost({
    appDir,
    env: {
      AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
      WORDS_QUEUE: 'words',
      'AzureWebJobs.off.Disabled': 'true',
    },
  })
  cleanUps.unshift(async () => {
    host.kill('SIGINT')
    await host.exited
  })
})
afterAll(async () => {
  for (const cleanUp of cleanUps) await cleanUp()
})

const call = (path: string, init?: RequestInit) => fetch(`${host.baseUrl}${path}`, init)

/** For what fetch does not allow: a path as it is, repeated headers, a body that is never sent. */
function callRaw(path: string, headers: Record<string, string | string[]>, method = 'GET') {
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const request = sendRequest(`${host.baseUrl}`, { path, headers, method }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode, body })
      request.destroy()
    })
    request.on('error', reject)
    if (headers['content-length'] === undefined) request.end()
    else request.flushHeaders()
  })
}

describe('an HTTP request', () => {
  test('reaches the function complete, and digits stay strings', async () => {
    const path = '/echo/0042/x%2Fy%20z?a=1&A=2&a=3&empty=&__proto__=p&u=%C3%BC'
    const { status, body } = await callRaw(path, { 'X-Twice': ['1', '2'], host: 'example.com:81' })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({
      url: `http://example.com:81${path}`,
      method: 'GET',
      params: { id: '0042', rest: 'x%2Fy z' },
      query: { a: '1,2,3', empty: '', u: 'ü' },
      headers: { 'x-twice': '1,2' },
      body: '',
    })
  })

  test('has the address of its peer appended to X-Forwarded-For, as by Azure’s front end', async () => {
    const forwardedFor = async (headers: Record<string, string | string[]>) =>
      JSON.parse((await callRaw('/echo/1', headers)).body).headers['x-forwarded-for']
    expect(await forwardedFor({})).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(await forwardedFor({ 'X-Forwarded-For': ['9.9.9.9', '8.8.8.8'] })).toMatch(
      /^9\.9\.9\.9,8\.8\.8\.8, 127\.0\.0\.1:\d+$/,
    )
  })

  test('carries its body', async () => {
    const reply = await call('/echo/1', { method: 'POST', body: 'grüße' })
    expect(await reply.json()).toMatchObject({ method: 'POST', body: 'grüße', params: { id: '1' } })
  })

  test('continues the trace of its caller with a new span, or starts a new trace', async () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const traced = (await (await call('/echo/1', { headers: { traceparent: parent } })).json()) as {
      traceParent: string
    }
    expect(traced.traceParent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
    expect(traced.traceParent).not.toBe(parent)
    const other = (await (await call('/echo/1', { headers: { traceparent: 'junk' } })).json()) as {
      traceParent: string
    }
    expect(other.traceParent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  })

  test.each([
    ['GET', '/nowhere', 404],
    ['DELETE', '/echo/1', 404],
    ['HEAD', '/nothing', 404],
    ['GET', '/echo/x', 404],
    ['GET', '/echo//1', 404],
    ['GET', '/runtime/webhooks', 404],
    ['GET', '/nothing', 204],
    ['GET', '/NOTHING/', 204],
    ['GET', '/bad/%', 404],
  ])('%s %s is answered with %i and no body', async (method, path, status) => {
    expect(await callRaw(path, {}, method)).toEqual({ status, body: '' })
  })

  test('with an invalid Host header is refused', async () => {
    expect(await callRaw('/nothing', { host: 'a/b' })).toMatchObject({ status: 400 })
  })

  test('whose function throws is answered with 500 and no body, and logged in one line with its location', async () => {
    const reply = await call('/throws')
    expect([reply.status, await reply.text()]).toEqual([500, ''])
    await host.waitFor(/ error throws failed: Error: secret detail \(at .*main\.cjs:\d+:\d+\)\)\n/)
  })

  test('whose function throws a value that is not an Error counts as a success, as in the worker', async () => {
    expect(await callRaw('/throws-text', {})).toEqual({ status: 204, body: '' })
  })

  test('cannot register another function once the app is loaded', async () => {
    expect(await callRaw('/registers', {})).toMatchObject({ status: 500 })
    await host.waitFor(/registers failed: Error: A function can only be registered during app startup\./)
  })

  test('gets status, headers, bytes and cookies that the function returned', async () => {
    const reply = await call('/cookies')
    expect(reply.status).toBe(201)
    expect(reply.headers.get('x-mine')).toBe('yes')
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(Buffer.from([0, 255, 128]))
    expect(reply.headers.getSetCookie()).toEqual([
      'a=1; Max-Age=60; Path=/; HttpOnly; SameSite=Strict',
      'b=x%20y; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Secure',
    ])
  })

  test('with a body of 100 MiB is accepted, and with one byte more refused by its declared length', async () => {
    const limit = 100 * 1024 * 1024
    const reply = await call('/bytes', { method: 'POST', body: new Uint8Array(limit) })
    expect(await reply.text()).toBe(String(limit))
    expect(await callRaw('/bytes', { 'content-length': String(limit + 1) }, 'POST')).toEqual({ status: 500, body: '' })
  })
})

describe('a queue', () => {
  test('gets each element of an output as a message for its trigger; failures end in the poison queue', async () => {
    const reply = await call('/send', { method: 'POST', body: '["one", { "two": 2 }, "bad"]' })
    expect(reply.status).toBe(202)
    await host.waitFor(/information words-read: word "one" try 1\n/)
    await host.waitFor(/information words-read: word {"two":2} try 1\n/)
    await host.waitFor(/error words-read failed: Error: bad word[\s\S]*error words-read failed: Error: bad word/)
    await host.waitFor(/warning words-read: a message went from queue words to words-poison: it was tried 2 times\.\n/)
    await host.waitFor(/poison bad\n/)
  })

  test('can be bypassed: POST /admin/functions/{name} runs its function with the input given', async () => {
    const reply = await call('/admin/functions/Words-Read', { method: 'POST', body: '{ "input": { "by": "hand" } }' })
    expect(reply.status).toBe(202)
    await host.waitFor(/words-read: word {"by":"hand"}/)
  })
})

describe('hooks', () => {
  test('change the inputs before a run, the result after it, and every log line', async () => {
    expect(await (await call('/hooked')).text()).toBe('/hooked, seen by the hook, and after')
    await host.waitFor(/information hooked: changed line\n/)
  })
})

describe('a timer', () => {
  test('is started by POST /admin/functions/{name}, and the hooks around a run share their data', async () => {
    expect((await call('/admin/functions/tick', { method: 'POST' })).status).toBe(202)
    await host.waitFor(/tick: tick \{"schedule":\{"adjustForDST":true\},"scheduleStatus":\{"last":"0001-/)
    await host.waitFor(/hook data yes\n/)
  })

  test('that is disabled does not run, and its schedule is not parsed', async () => {
    expect((await call('/admin/functions/off', { method: 'POST' })).status).toBe(404)
  })
})

describe('the host itself', () => {
  test.each([
    ['/admin/functions/nosuch', '', 404],
    ['/admin/functions/echo', '', 404],
    ['/admin/functions/tick', '{', 400],
  ])('POST %s with body "%s" is answered with %i', async (path, body, status) => {
    expect((await call(path, { method: 'POST', body })).status).toBe(status)
  })

  test('reports its state, its functions and its routes', async () => {
    expect(await (await call('/admin/host/status')).json()).toEqual({ state: 'Running' })
    const functions = (await (await call('/admin/functions')).json()) as { name: string }[]
    expect(functions.map(({ name }) => name)).toEqual(expect.arrayContaining(['echo', 'words-read', 'tick']))
    expect(await (await call('/')).text()).toContain('GET,POST,PUT /echo/{id:int}/{rest?} (echo)\n')
  })

  test('listens on the loopback address only', () => {
    expect(host.baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })
})
