import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../../local/log.ts'
import { startAzurite as startProcess } from '../../../local/storage/azurite.ts'

export type TestAzurite = {
  connectionString: string
  blobPort: number
  queuePort: number
  tablePort: number
  pid: number
  stop: () => Promise<void>
}

/**
 * Starts a separate Azurite for a test, on random free ports: in memory, or in `dataDir`, or with `memory: false` in a
 * temporary folder that `stop` removes. Takes about 2 seconds. Azurite ends with the test process even without `stop`.
 */
export async function startAzurite(options: { memory?: boolean; dataDir?: string } = {}): Promise<TestAzurite> {
  const onDisk = options.dataDir !== undefined || options.memory === false
  const temporary = onDisk && options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'azurite-')) : undefined
  const location = options.dataDir ?? temporary
  const azurite = await startProcess({
    ...(location === undefined ? {} : { location }),
    ports: { blob: 0, queue: 0, table: 0 },
    log: reportDeath,
  })
  return {
    connectionString: azurite.connectionString,
    blobPort: azurite.ports.blob,
    queuePort: azurite.ports.queue,
    tablePort: azurite.ports.table,
    pid: azurite.pid(),
    stop: async () => {
      await azurite.stop()
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
    },
  }
}

const reportDeath: Log = (level, message) => process.stderr.write(`${level}: ${message}\n`)
