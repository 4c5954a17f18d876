import { azuriteConnectionString } from '../../../local/storage/azurite.ts'
import type { TestAzurite } from './azurite.ts'
import { type FaultProxy, type FaultRates, startFaultProxy } from './fault-proxy.ts'
import { nameQueueRequest, nameTableRequest } from './storage-request.ts'

export interface StorageProxies {
  /** Reaches the store through the proxies. */
  readonly connectionString: string
  readonly queues: FaultProxy
  readonly tables: FaultProxy
  setRates(rates: FaultRates): void
  /** Faults at both ports since the last reset. */
  faults(): FaultRates
  /** Requests that reached the store since the last reset, by name, the most frequent first. */
  requests(): ReadonlyMap<string, number>
  resetCounts(): void
  close(): Promise<void>
}

/** Starts one proxy before the queues of an Azurite and one before its tables. */
export async function startStorageProxies(azurite: TestAzurite, seed: number): Promise<StorageProxies> {
  const [queue, table] = await Promise.all([
    startFaultProxy({ targetPort: azurite.queuePort, nameOf: nameQueueRequest, seed }),
    startFaultProxy({ targetPort: azurite.tablePort, nameOf: nameTableRequest, seed: seed + 1 }),
  ])
  const both: readonly FaultProxy[] = [queue, table]
  const sum = (name: keyof FaultRates) => queue.faults[name] + table.faults[name]
  return {
    connectionString: azuriteConnectionString({ blob: azurite.blobPort, queue: queue.port, table: table.port }),
    queues: queue,
    tables: table,
    setRates: (rates) => {
      for (const proxy of both) proxy.setRates(rates)
    },
    faults: () => ({
      cutBefore: sum('cutBefore'),
      cutAfter: sum('cutAfter'),
      unavailable: sum('unavailable'),
      delay: sum('delay'),
    }),
    requests: () => new Map(both.flatMap(({ requests }) => [...requests]).sort(([, a], [, b]) => b - a)),
    resetCounts: () => {
      for (const proxy of both) proxy.resetCounts()
    },
    close: async () => {
      await Promise.all(both.map((proxy) => proxy.close()))
    },
  }
}

/** 3 % of the requests are cut before the store sees them, 3 % after, 3 % get a 503; 5 % are late. */
export const roughWeather: FaultRates = { cutBefore: 0.03, cutAfter: 0.03, unavailable: 0.03, delay: 0.05 }
