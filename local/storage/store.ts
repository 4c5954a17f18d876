import { resolve } from 'node:path'
import { HostError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Environment } from '../runtime/app-settings.ts'
import { type AzuritePorts, startAzurite } from './azurite.ts'
import { lockDataDir } from './data-lock.ts'

/** The storage account that the app uses. */
export type Store = {
  connectionString: string
  /** Where the data are, as text for the user. */
  location: string
  close: () => Promise<void>
}

export type StoreOptions = {
  /** Undefined for a store in memory. */
  dataDir: string | undefined
  environment: Environment
  log: Log
  /** Called once when the store is lost for good. */
  onLost: () => void
}

/**
 * Opens the account that AZURE_STORAGE_CONNECTION_STRING names, or else starts an Azurite. Its ports are any free
 * ones, so that it never collides with another Azurite, unless AZURITE_BLOB_PORT, AZURITE_QUEUE_PORT or
 * AZURITE_TABLE_PORT fix them.
 */
export async function openStore({ dataDir, environment, log, onLost }: StoreOptions): Promise<Store> {
  const connectionString = environment.AZURE_STORAGE_CONNECTION_STRING
  if (connectionString) {
    return { connectionString, location: 'AZURE_STORAGE_CONNECTION_STRING', close: async () => {} }
  }
  const ports = readPorts(environment)
  const unlock = dataDir === undefined ? async () => {} : await lockDataDir(dataDir)
  try {
    const folder = dataDir === undefined ? {} : { location: resolve(dataDir, 'azurite') }
    const azurite = await startAzurite({ ...folder, ports, log, onLost })
    return {
      connectionString: azurite.connectionString,
      location: dataDir === undefined ? 'in memory, gone at the end' : `${resolve(dataDir)}, kept between runs`,
      close: async () => {
        await azurite.stop()
        await unlock()
      },
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

function readPorts(environment: Environment): AzuritePorts {
  const read = (name: string) => {
    const value = environment[name] || '0'
    if (!/^\d+$/.test(value) || Number(value) > 65_535) throw new HostError(`${name} must be a port number.`)
    return Number(value)
  }
  return { blob: read('AZURITE_BLOB_PORT'), queue: read('AZURITE_QUEUE_PORT'), table: read('AZURITE_TABLE_PORT') }
}
