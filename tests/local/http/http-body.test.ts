import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { readRequestBody } from '../../../local/http/http-body.ts'

const MEBIBYTE = Buffer.alloc(1024 * 1024)

/** A request without a declared length. */
function chunkedRequest() {
  const stream = new PassThrough()
  return Object.assign(stream, { headers: { 'transfer-encoding': 'chunked' } }) as PassThrough & IncomingMessage
}

test('a body of undeclared length is read up to 100 MiB and no further', async () => {
  const full = chunkedRequest()
  for (let count = 0; count < 100; count++) full.write(MEBIBYTE)
  full.end()
  expect(await readRequestBody(full)).toHaveLength(100 * MEBIBYTE.length)

  const endless = chunkedRequest()
  for (let count = 0; count < 101; count++) endless.write(MEBIBYTE)
  expect(await readRequestBody(endless)).toBe('too large')
  expect(endless.isPaused()).toBe(true)
})

test('a request without a body has none, nor has one with an empty chunked body', async () => {
  expect(await readRequestBody(Object.assign(new PassThrough(), { headers: {} }) as never)).toBeUndefined()
  const empty = chunkedRequest()
  empty.end()
  expect(await readRequestBody(empty)).toBeUndefined()
})

test('a body in chunks can be dropped as the real host drops it; a body of declared length never is', async () => {
  const chunked = chunkedRequest()
  chunked.end('body')
  expect(await readRequestBody(chunked, { dropsChunked: true })).toBeUndefined()
  expect(chunked.readableEnded).toBe(true)
  const endless = chunkedRequest()
  for (let count = 0; count < 101; count++) endless.write(MEBIBYTE)
  expect(await readRequestBody(endless, { dropsChunked: true })).toBe('too large')
  const declared = Object.assign(new PassThrough(), { headers: { 'content-length': '4' } })
  declared.end('body')
  expect(await readRequestBody(declared as never, { dropsChunked: true })).toEqual(Buffer.from('body'))
})

test('reading a request that is aborted midway rejects', async () => {
  const request = chunkedRequest()
  const body = readRequestBody(request)
  request.write('half')
  request.destroy(new Error('aborted'))
  await expect(body).rejects.toThrow('aborted')
})
