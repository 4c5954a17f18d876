import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readHostJson, timespanMs } from '../../../local/runtime/host-json.ts'
import { makeTemporaryFolder } from '../../support/samples/temporary-folder.ts'

async function read(text: string) {
  const folder = await makeTemporaryFolder()
  await writeFile(join(folder, 'host.json'), text)
  return readHostJson(folder)
}

const DEFAULTS = {
  routePrefix: 'api',
  queues: {
    batchSize: 16,
    newBatchThreshold: 8,
    maxDequeueCount: 5,
    visibilityTimeoutMs: 0,
    maxPollingIntervalMs: 2_000,
    messageEncoding: 'base64',
  },
}

test('a missing or empty host.json gives the defaults of a local run', async () => {
  expect(await readHostJson(await makeTemporaryFolder())).toEqual(DEFAULTS)
  expect(await read('{ "version": "2.0" }')).toEqual(DEFAULTS)
})

test('half the batch size is the default of newBatchThreshold', async () => {
  const { queues } = await read('{ "extensions": { "queues": { "batchSize": 5 } } }')
  expect(queues.newBatchThreshold).toBe(2)
})

test('every invalid value is named in one message', async () => {
  const text = '{ "extensions": { "queues": { "batchSize": 33, "visibilityTimeout": "1 minute" } } }'
  await expect(read(text)).rejects.toThrow(/batchSize: .*visibilityTimeout: must be a time span/)
  await expect(read('{')).rejects.toThrow(/not valid JSON/)
})

test("this project's own host.json is valid and has no route prefix", async () => {
  const { routePrefix, queues } = await readHostJson(fileURLToPath(new URL('../../..', import.meta.url)))
  expect(routePrefix).toBe('')
  expect(queues).toMatchObject({ maxDequeueCount: 20, visibilityTimeoutMs: 60_000, maxPollingIntervalMs: 2_000 })
})

test('time spans are days, hours, minutes and seconds', () => {
  expect(timespanMs('00:00:30')).toBe(30_000)
  expect(timespanMs('1.02:03:04')).toBe(93_784_000)
  expect(timespanMs('0 */5 * * * *')).toBeUndefined()
})
