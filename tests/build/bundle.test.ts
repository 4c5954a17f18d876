import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BuildOptions } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileRoutes } from '../../local/http/router.ts'
import type { AppFunction } from '../../local/runtime/core.ts'
import { bundleApp } from '../../scripts/bundle.ts'
import { findOverlaps } from '../support/requests/find-overlaps.ts'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const largestKiB = 960

/** Exactly what the host is told: a change of this list is a change of the API. */
const expected = {
  health: 'GET health',
  'health-ready': 'GET health/ready',
  'keys-batch-validate': 'POST auth/keys/batch/validate',
  'keys-erase': 'POST auth/keys/{token_id:minlength(20)}/erase',
  'keys-generate': 'POST auth/keys/generate',
  'keys-get': 'GET auth/keys/{token_id:minlength(20)}',
  'keys-list': 'GET auth/keys',
  'keys-me': 'GET auth/keys/me',
  'keys-me-revoke': 'POST auth/keys/me/revoke',
  'keys-patch': 'PATCH auth/keys/{token_id:minlength(20)}',
  'keys-revoke': 'POST auth/keys/{token_id:minlength(20)}/revoke',
  'keys-revoke-pending': 'queue key-events of AZURE_STORAGE_CONNECTION_STRING',
  'keys-revoke-redrive': 'timer 30 * * * * *',
  'keys-rotate': 'POST auth/keys/{token_id:minlength(20)}/rotate',
  'keys-usage': 'GET auth/keys/{token_id:minlength(20)}/usage',
  'keys-validate': 'POST auth/keys/validate',
  metrics: 'GET metrics',
  'providers-get': 'GET auth/providers/{provider_id}',
  'providers-put': 'PUT auth/providers/{provider_id}',
  'storage-sweep': 'timer 0 17 3 * * *',
  'usage-aggregate': 'queue usage-events of AZURE_STORAGE_CONNECTION_STRING',
  'usage-list': 'GET auth/usage',
  'usage-poison': 'GET auth/usage/poison',
  'usage-poison-redrive': 'timer 0 */5 * * * *',
  'usage-poison-replay': 'POST auth/usage/poison/replay',
  'usage-push': 'POST auth/keys/batch/usage',
  'usage-push-status': 'GET auth/keys/batch/usage/{batch_id:minlength(8)}',
  'usage-reconcile': 'timer 0 7 4 * * *',
  'usage-reconciliation': 'GET auth/usage/reconciliation',
  'usage-erase': 'timer 40 */5 * * * *',
  'usage-retention': 'timer 0 27 2 * * *',
  'usage-roll-up': 'timer 0 * * * * *',
  'usage-seal': 'timer 0 37 1 * * *',
  'keys-count-peppers': 'timer 0 47 * * * *',
}

type Trigger = AppFunction['trigger'] & { readonly authLevel?: string }

interface Loaded {
  readonly functions: readonly { readonly name: string; readonly trigger: Trigger }[]
  readonly hooks: Readonly<Record<string, number>>
  readonly settingsRead: readonly string[]
  readonly filesRead: readonly string[]
  readonly resources: readonly string[]
}

let folder: string
let app: Loaded
const cleanUps: (() => Promise<void>)[] = []

beforeAll(async () => {
  folder = await makeTemporaryFolder((cleanUp) => cleanUps.push(cleanUp))
  await bundleApp(join(folder, 'main.cjs'))
  app = await load(join(folder, 'main.cjs'))
})

afterAll(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())))

describe('the bundle', () => {
  test('registers exactly the functions of functions/, with their triggers', () => {
    expect(Object.fromEntries(app.functions.map((fn) => [fn.name, describeTrigger(fn.trigger)]))).toEqual(expected)
    expect(
      readdirSync(join(root, 'functions'))
        .map((file) => file.replace('.ts', ''))
        .toSorted(),
    ).toEqual(Object.keys(expected).toSorted())
  })

  test('leaves authorization to the service: no route asks for a host key', () => {
    const routes = app.functions.filter(({ trigger }) => trigger.type === 'httpTrigger')
    expect(new Set(routes.map(({ trigger }) => trigger.authLevel))).toEqual(new Set(['anonymous']))
  })

  test('answers every method of every route in one function, so that the host answers none with a bare 404', () => {
    const methods = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']
    const routes = app.functions.flatMap(({ trigger }) => (trigger.type === 'httpTrigger' ? [trigger] : []))
    const byRoute = Map.groupBy(routes, ({ route }) => route)
    expect(byRoute.size).toBeGreaterThan(15)
    for (const [route, triggers] of byRoute) {
      expect([route, triggers.flatMap((trigger) => trigger.methods ?? []).toSorted()]).toEqual([route, methods])
    }
  })

  test('has no path that two functions of one method would answer, whatever their names are', async () => {
    const { extensions } = JSON.parse(await readFile(join(root, 'host.json'), 'utf8'))
    const functions = app.functions.map((fn) => ({
      ...fn,
      metadata: { name: fn.name, bindings: {} },
      callback: () => {},
    }))
    expect(findOverlaps(compileRoutes(functions, extensions.http.routePrefix))).toEqual([])
  })

  test('flushes buffered uses to the queue when the host stops it', () => {
    expect(app.hooks).toMatchObject({ appTerminate: 1, appStart: 0, preInvocation: 0, postInvocation: 0 })
  })

  test('reads no setting and opens nothing while it is loaded, and needs no setting for that', () => {
    expect([app.settingsRead, app.resources]).toEqual([[], []])
  })

  test(`is smaller than ${largestKiB} KiB: a worker reads all of it before it serves`, async () => {
    expect((await stat(join(folder, 'main.cjs'))).size / 1024).toBeLessThan(largestKiB)
  })

  test.each([
    ['identity.cjs', 'an account without a key asks for it', 'DefaultAzureCredential'],
    ['metrics.cjs', 'the metrics are scraped', 'AggregatorRegistry'],
  ])('keeps %s beside it unread until %s', async (file, _, used) => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--print',
      `Object.keys(require(${JSON.stringify(join(folder, file))})).join()`,
    ])
    expect(stdout.trim()).toBe(used)
    const text = await readFile(join(folder, 'main.cjs'), 'utf8')
    expect(text).toContain(`require("./${file}")`)
    expect(app.filesRead.filter((file) => file.endsWith('.cjs'))).toEqual(['main.cjs'])
  })

  test('is what package.json names as main', async () => {
    expect(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).main).toBe('dist/main.cjs')
  })
})

describe('a bundle that the host would find empty', () => {
  const loadAs = async (file: string, change: BuildOptions) => {
    await bundleApp(join(folder, file), change)
    return load(join(folder, file))
  }

  test('because @azure/functions-core was inlined is refused, and says why', async () => {
    const stub = join(folder, 'functions-core.js')
    await writeFile(stub, 'exports.registerFunction = exports.setProgrammingModel = exports.registerHook = () => ({})')
    const inlined = loadAs('inlined.cjs', { external: [], alias: { '@azure/functions-core': stub } })
    await expect(inlined).rejects.toThrow(/registered no function.*@azure\/functions-core/)
  })

  test('because it is a module, which has no require, is refused', async () => {
    const banner = { js: 'const bundleUrl = import.meta.url;' }
    const asModule = loadAs('module.mjs', { format: 'esm', banner })
    await expect(asModule).rejects.toThrow(/could not be loaded|registered no function/)
  })
})

/** Throws with the output of the process where the file is refused. */
async function load(file: string): Promise<Loaded> {
  const process_ = join(root, 'tests/support/processes/list-functions.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [process_, file], { env: {} })
  return JSON.parse(stdout)
}

function describeTrigger({ type, ...trigger }: Trigger): string {
  if (type === 'timerTrigger') return `timer ${trigger.schedule}`
  if (type === 'queueTrigger') return `queue ${trigger.queueName} of ${trigger.connection}`
  return `${trigger.methods?.[0]} ${trigger.route}`
}
