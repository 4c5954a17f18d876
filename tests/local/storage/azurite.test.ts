import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { TableClient } from '@azure/data-tables'
import { QueueServiceClient } from '@azure/storage-queue'
import { expect, onTestFinished, test } from 'vitest'
import { type Azurite, azuriteConnectionString, startAzurite } from '../../../local/storage/azurite.ts'
import { poll } from '../../support/samples/poll.ts'
import { makeTemporaryFolder } from '../../support/samples/temporary-folder.ts'

const ANY_PORTS = { blob: 0, queue: 0, table: 0 }

async function start(options: Partial<Parameters<typeof startAzurite>[0]> = {}): Promise<Azurite> {
  const azurite = await startAzurite({ ports: ANY_PORTS, log: () => {}, ...options })
  onTestFinished(() => azurite.stop())
  return azurite
}

const tableOf = (azurite: Azurite) =>
  TableClient.fromConnectionString(azurite.connectionString, 'things', { allowInsecureConnection: true })

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('its connection string uses addresses, since the tables SDK takes localhost for Cosmos DB', () => {
  const text = azuriteConnectionString({ blob: 1, queue: 2, table: 3 })
  expect(text).toContain('TableEndpoint=http://127.0.0.1:3/devstoreaccount1;')
  expect(text).not.toContain('localhost')
})

test('stop writes the data, and a folder keeps them across restarts', async () => {
  const location = await makeTemporaryFolder()
  const first = await start({ location })
  await tableOf(first).createTable()
  await tableOf(first).createEntity({ partitionKey: 'p', rowKey: 'r', word: 'kept' })
  await first.stop()
  expect(isRunning(first.pid())).toBe(false)

  const second = await start({ location })
  expect(await tableOf(second).getEntity('p', 'r')).toMatchObject({ word: 'kept' })
})

test('it restarts on the same ports when it dies', async () => {
  const lines: string[] = []
  const azurite = await start({ log: (_, message) => void lines.push(message) })
  const pid = azurite.pid()
  process.kill(pid, 'SIGKILL')
  await poll(() => azurite.pid() !== pid)
  const service = QueueServiceClient.fromConnectionString(azurite.connectionString)
  await service.getQueueClient('still-here').create()
  expect(lines).toEqual(['Azurite died (SIGKILL); starting it again. What it held in memory is gone.'])
})

test('it is given up and reported lost when it dies repeatedly', async () => {
  const restarts: number[] = []
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>()
  const azurite = await start({
    onLost,
    restartsMax: 2,
    log: () => {
      restarts.push(azurite.pid())
    },
  })
  let isLost = false
  void lost.then(() => {
    isLost = true
  })
  let killed = 0
  await poll(() => {
    if (azurite.pid() !== killed) {
      killed = azurite.pid()
      process.kill(killed, 'SIGKILL')
    }
    return isLost
  }, 20_000)
  expect(restarts).toHaveLength(3)
})

test('a port in use is reported in one clear line', async () => {
  const first = await start()
  await expect(start({ ports: { ...ANY_PORTS, blob: first.ports.blob } })).rejects.toThrow(
    /^Azurite could not start: .*EADDRINUSE/,
  )
})

test('it exits when its parent is killed', async () => {
  const script = `
    const { startAzurite } = await import('./local/storage/azurite.ts')
    const azurite = await startAzurite({ ports: { blob: 0, queue: 0, table: 0 }, log: () => {} })
    process.stdout.write(String(azurite.pid()))`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script])
  const [output] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(output.toString())
  expect(isRunning(pid)).toBe(true)
  parent.kill('SIGKILL')
  await poll(() => !isRunning(pid))
})
