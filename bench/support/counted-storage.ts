import type { LateUsage, MessageQueue, UsageLedger } from '../../shared/ports.ts'
import { tableAccess } from '../../shared/storage/azure-tables.ts'
import { storageMessageQueue } from '../../shared/storage/storage-message-queue.ts'
import { tableLateUsage } from '../../shared/storage/table-late-usage.ts'
import { tableUsageLedger } from '../../shared/storage/table-usage-ledger.ts'

export interface CountedStorage {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly queue: MessageQueue
  readonly poison: MessageQueue
  /** Requests sent since the start, retries included for tables; a transaction of many rows is one. */
  transactions(): number
}

/** The real adapters, counting what they ask of the store. */
export function countedStorage(connectionString: string): CountedStorage {
  let transactions = 0
  const tables = tableAccess({
    connectionString,
    wrapClient: (client) => {
      const sendRequest: Parameters<typeof client.pipeline.addPolicy>[0]['sendRequest'] = (request, next) => {
        transactions++
        return next(request)
      }
      client.pipeline.addPolicy({ name: 'count', sendRequest }, { afterPhase: 'Sign' })
      return client
    },
  })
  const queue = storageMessageQueue({ connectionString, name: 'usage-events' })
  const counted = <Args extends readonly unknown[], Result>(method: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      transactions++
      return method(...args)
    }
  }
  return {
    ledger: tableUsageLedger(tables),
    late: tableLateUsage(tables),
    queue: {
      send: counted(queue.send),
      receive: counted(queue.receive),
      remove: counted(queue.remove),
      depth: counted(queue.depth),
    },
    poison: storageMessageQueue({ connectionString, name: 'usage-events-poison' }),
    transactions: () => transactions,
  }
}
