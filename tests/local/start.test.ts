import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { azuriteConnectionString } from '../../local/storage/azurite.ts'
import { type LocalHostOptions, spawnLocalHost, startLocalHost } from '../support/runs/local-host.ts'
import { poll } from '../support/samples/poll.ts'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'
import { writeApp } from './write-app.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const BASIC = await readFile(fileURLToPath(new URL('fixtures/basic.cjs', import.meta.url)), 'utf8')
const HOST_JSON = { extensions: { http: { routePrefix: '' } } }
const BASIC_ENV = { WORDS_QUEUE: 'words', 'AzureWebJobs.off.Disabled': 'true' }
/** Where nothing listens: for hosts whose functions use no store. */
const NO_STORE = { AZURE_STORAGE_CONNECTION_STRING: azuriteConnectionString({ blob: 1, queue: 1, table: 1 }) }

async function start(options: LocalHostOptions = {}) {
  const appDir = await writeApp(BASIC, HOST_JSON)
  const host = await startLocalHost({ appDir, ...options, env: { ...BASIC_ENV, ...options.env } })
  onTestFinished(async () => {
    host.kill('SIGKILL')
    await host.exited
  })
  return host
}

/** The ids of the child processes of `parent` that run Azurite, found by their command lines. */
async function findAzurites(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return status.includes(`PPid:\t${parent}\n`) && command.includes('azurite.js') ? [pid] : []
    }),
  )
  return found.flat()
}

async function isGone(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) === ''
}

describe('Ctrl-C', () => {
  test('drains the work in flight, runs the appTerminate hooks, leaves no process and exits with 0', async () => {
    const host = await start({ likeTerminal: true })
    const azurites = await findAzurites(host.pid)
    expect(azurites).toHaveLength(1)
    const reply = fetch(`${host.baseUrl}/slow`)
    await host.waitFor(/slow begins/)
    // Twice, as under npm: from the terminal and forwarded by npm.
    host.kill('SIGINT')
    host.kill('SIGINT')
    expect(await (await reply).text()).toBe('done')
    await host.waitFor(/app terminates\n/)
    expect(host.output()).not.toContain('Azurite died')
    expect(await host.exited).toBe(0)
    expect(host.output()).toMatch(/app terminates\n$/)
    for (const pid of azurites) expect(await isGone(pid)).toBe(true)
  })

  test('pressed again exits at once, and still leaves no process', async () => {
    const host = await start()
    const [azurite = 0] = await findAzurites(host.pid)
    const reply = fetch(`${host.baseUrl}/hang`).catch(() => 'cut off')
    await host.waitFor(/hang begins/)
    host.kill('SIGINT')
    await host.waitFor(/Ctrl-C again/)
    let code: unknown
    void host.exited.then((value) => {
      code = value
    })
    await poll(() => {
      host.kill('SIGINT')
      return code !== undefined
    }, 8_000)
    expect(code).toBe(130)
    expect(await reply).toBe('cut off')
    await poll(() => isGone(azurite))
  })

  test('waits at most 10 s for work that never ends, and exits with 1 because it was cut off', async () => {
    const host = await start({ env: NO_STORE })
    fetch(`${host.baseUrl}/hang`).catch(() => 'cut off')
    await host.waitFor(/hang begins/)
    host.kill('SIGTERM')
    expect(await host.exited).toBe(1)
    expect(host.output()).toContain('did not finish within 10 s')
  })
})

test('--no-drain: SIGTERM ends the host as the real one ends: work in flight is cut off, and no appTerminate hook runs', async () => {
  const host = await start({ args: ['--no-drain'] })
  const [azurite = 0] = await findAzurites(host.pid)
  const reply = fetch(`${host.baseUrl}/slow`).catch(() => 'cut off')
  await host.waitFor(/slow begins/)
  host.kill('SIGTERM')
  expect(await host.exited).toBe('SIGKILL')
  expect(await reply).toBe('cut off')
  expect(host.output()).not.toContain('app terminates')
  await poll(() => isGone(azurite))
})

describe('a signal to the shell that npm runs a script in', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)('%s ends the host and frees its port', async (signal) => {
    const command = `"${process.execPath}" local/start.ts --port 0 --memory; exit $?`
    const env = { PATH: process.env.PATH ?? '', npm_lifecycle_event: 'start' }
    const shell = spawn('sh', ['-c', command], { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    shell.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const [, baseUrl = ''] = await poll(() => /runs at (http:\S+)/.exec(output) ?? undefined, 20_000)
    expect((await fetch(`${baseUrl}/health`)).status).toBe(200)
    shell.kill(signal)
    await poll(async () => (await fetch(`${baseUrl}/health`).catch(() => 'refused')) === 'refused', 15_000)
    await poll(() => output.includes('Stopping when work in flight has finished'))
  })
})

describe('the store', () => {
  test('is an Azurite in the data folder; the next run has its data and the same admin key', async () => {
    const folder = join(await makeTemporaryFolder(), 'data')
    const first = await start({ args: ['--data', folder] })
    await fetch(`${first.baseUrl}/send`, { method: 'POST', body: '"remembered"' })
    const [, key = ''] = /Admin key: (\S+)\n/.exec(first.output()) ?? []
    first.kill('SIGINT')
    expect(await first.exited).toBe(0)
    expect((await readdir(folder)).sort()).toEqual(['azurite', 'host.lock', 'settings.json'])
    expect(JSON.parse(await readFile(join(folder, 'settings.json'), 'utf8'))).toHaveProperty('ADMIN_KEY', key)

    const second = await start({ args: ['--data', folder] })
    expect(second.output()).toContain(`Admin key: ${key}\n`)
  })

  test('is not started when AZURE_STORAGE_CONNECTION_STRING names another', async () => {
    const host = await start({ env: NO_STORE })
    expect(await findAzurites(host.pid)).toEqual([])
  })

  test('is refused to a second host', async () => {
    const folder = await makeTemporaryFolder()
    const first = await start({ args: ['--data', folder] })
    const second = spawnLocalHost({ appDir: await writeApp(BASIC), args: ['--data', folder], env: BASIC_ENV })
    expect(await second.exited).toBe(1)
    expect(second.output()).toBe(
      `error: ${folder} is in use by process ${first.pid}. Stop it, or give --memory or --data DIR.\n`,
    )
  })

  test('restarts when it dies', async () => {
    const host = await start()
    const [azurite = 0] = await findAzurites(host.pid)
    process.kill(azurite, 'SIGKILL')
    await host.waitFor(/Azurite died/)
    const again = await poll(async () => (await findAzurites(host.pid)).find((pid) => pid !== azurite))
    expect(again).not.toBe(azurite)
    await poll(
      async () => (await fetch(`${host.baseUrl}/send`, { method: 'POST', body: '"x"' })).status === 202,
      20_000,
    )
  })
})

describe('an admin key', () => {
  test('that was generated is printed, with calls to paste; an admin key of the environment is not', async () => {
    const generated = await start({ env: NO_STORE })
    const [, key = ''] = /Admin key: (\S{32,})\n/.exec(generated.output()) ?? []
    expect(generated.output()).toContain(`curl -s ${generated.baseUrl}/auth/keys/generate -H "X-API-Key: ${key}"`)

    const secret = 'an-admin-key-of-my-own-choice-0123456789'
    const given = await start({ env: { ...NO_STORE, ADMIN_KEY: secret } })
    expect(given.output()).not.toContain(secret)
    expect(given.output()).toContain('-H "X-API-Key: $ADMIN_KEY"')
  })
})
