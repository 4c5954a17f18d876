import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { azuriteConnectionString } from '../../local/storage/azurite.ts'
import { type LocalHostOptions, spawnLocalHost } from '../support/runs/local-host.ts'
import { poll } from '../support/samples/poll.ts'
import { writeApp } from './write-app.ts'

/** Where nothing listens: all of these hosts fail before they use a store. */
const NO_STORE = { AZURE_STORAGE_CONNECTION_STRING: azuriteConnectionString({ blob: 1, queue: 1, table: 1 }) }
const HOST_JSON = { extensions: { http: { routePrefix: '' } } }

const app = (body: string) => `const { app } = require('@azure/functions');\n${body}`
const PING = app(`app.get('ping', { handler: () => ({}) })`)

/** Starts a host that must fail with one line and exit code 1, and nothing else. */
async function failure(options: LocalHostOptions): Promise<string> {
  const host = spawnLocalHost({ ...options, env: { ...NO_STORE, ...options.env } })
  expect(await host.exited).toBe(1)
  const output = host.output()
  expect(output).toMatch(/^error: [^\n]+\n$/)
  return output
}

test('one clear line for a port in use', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await poll(() => other.listening)
  const { port } = other.address() as AddressInfo
  const appDir = await writeApp(PING)
  expect(await failure({ appDir, args: ['--port', String(port)] })).toContain(`Port ${port} is in use`)
})

test('one clear line for settings, with all invalid names and no value', async () => {
  const appDir = await writeApp(PING)
  const env = { ADMIN_KEY: 'too-short', KEY_PEPPERS: 'no pepper', USAGE_DURABILITY: 'never' }
  const line = await failure({ appDir, env })
  for (const name of Object.keys(env)) expect(line).toContain(name)
  for (const value of Object.values(env)) expect(line).not.toContain(value)
})

test('one clear line for managed identity, which needs Azure', async () => {
  const appDir = await writeApp(PING)
  expect(await failure({ appDir, env: { AZURE_STORAGE_ACCOUNT: 'x' } })).toContain('managed identity')
})

test('one clear line for an app that is not built', async () => {
  const appDir = await writeApp('', {})
  await writeFile(join(appDir, 'package.json'), '{ "main": "dist/main.cjs" }')
  expect(await failure({ appDir })).toMatch(/There is no dist\/main\.cjs .*"npm run build"/)
})

test.each<[what: string, source: string, hostJson: object, line: RegExp]>([
  ['a function file that throws', 'throw new TypeError("boom")', {}, /main\.cjs could not be loaded: TypeError: boom/],
  ['a bundle with no function', '', {}, /registered no function/],
  [
    'a duplicate function name, in any case',
    app(`app.get('ping', { handler: () => ({}) }); app.get('Ping', { route: 'x', handler: () => ({}) })`),
    {},
    /Two functions have the name "Ping"/,
  ],
  [
    'a name that Azure refuses',
    app(`app.get('1 x', { handler: () => ({}) })`),
    {},
    /"1 x" is not a valid function name/,
  ],
  ['a reserved route', app(`app.get('a', { route: 'admin/x', handler: () => ({}) })`), HOST_JSON, /reserved/],
  ['a route that is not valid', app(`app.get('a', { route: '{x:nosuch}', handler: () => ({}) })`), {}, /"nosuch"/],
  ['a schedule that is not valid', app(`app.timer('t', { schedule: 'x', handler: () => {} })`), {}, /The schedule "x"/],
  [
    'a missing setting that a name refers to',
    app(`app.timer('t', { schedule: '%T%', handler: () => {} })`),
    {},
    /setting T,/,
  ],
  [
    'a connection that is not set',
    app(`app.storageQueue('q', { queueName: 'q', connection: 'NONE', handler: () => {} })`),
    {},
    /connection setting NONE is not set/,
  ],
  [
    'a Durable trigger',
    app(`app.generic('o', { trigger: { type: 'orchestrationTrigger', name: 'c' }, handler: () => {} })`),
    {},
    /Durable Functions \(orchestrationTrigger\) .* not supported by the local host yet/,
  ],
  [
    'another trigger',
    app(`app.storageBlob('b', { path: 'x', connection: 'NONE', handler: () => {} })`),
    {},
    /"blobTrigger" of function "b" is not supported/,
  ],
  [
    'another output',
    app(
      `const { output } = require('@azure/functions'); const blob = output.storageBlob({ path: 'x', connection: 'C' });` +
        `app.get('b', { extraOutputs: [blob], handler: () => ({}) })`,
    ),
    {},
    /of function "b" is not supported/,
  ],
  [
    'HTTP streaming',
    app(`app.setup({ enableHttpStream: true }); app.get('a', { handler: () => ({}) })`),
    {},
    /enableHttpStream/,
  ],
  ['a host.json that is not valid', '', { extensions: { queues: { batchSize: 99 } } }, /batchSize/],
])('one clear line for %s', async (_what, source, hostJson, line) => {
  expect(await failure({ appDir: await writeApp(source, hostJson) })).toMatch(line)
})

test('one clear line for wrong arguments', async () => {
  expect(await failure({ args: ['--nonsense'] })).toContain('--help')
})
