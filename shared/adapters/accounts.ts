import type { TokenCredential } from '@azure/identity'
import type { Config } from '../runtime/config.ts'
import type { Lane } from './guard/lanes.ts'
import { type RequestUnits, requestUnits } from './guard/request-units.ts'
import type { QueueAccount } from './message-queue.ts'
import type { TableAccount } from './tables/table-access.ts'

/** The accounts that the settings name. */
interface Accounts {
  readonly tables: TableAccount
  /** In Cosmos DB the lanes share one budget of request units; undefined where requests cost nothing. */
  readonly units: Readonly<Record<Lane, RequestUnits>> | undefined
  readonly queues: QueueAccount
  /** How many rows a transaction may hold. */
  readonly rowsPerTransaction: number
}

const ROWS_OF_TABLE_STORAGE = 100

/** Table Storage, or Cosmos DB for Table where the settings name it. `credential` opens an account named without a key. */
export function accountsOf(config: Config, credential: TokenCredential): Accounts {
  const { storage, cosmos } = config
  const storageAccount = (service: 'table' | 'queue') => {
    if (storage.kind === 'connection') return { connectionString: storage.connectionString }
    return { endpoint: `https://${storage.account}.${service}.core.windows.net`, credential }
  }
  const queues = storageAccount('queue')
  if (cosmos === undefined) {
    return { tables: storageAccount('table'), units: undefined, queues, rowsPerTransaction: ROWS_OF_TABLE_STORAGE }
  }
  const account =
    cosmos.kind === 'connection'
      ? { connectionString: cosmos.connectionString }
      : { endpoint: cosmos.endpoint, credential }
  return {
    tables: account,
    units: requestUnits(config.cosmosRequestUnitsPerSecond),
    queues,
    rowsPerTransaction: config.cosmosRowsPerTransaction,
  }
}
