import { storageMessageQueue } from '../../shared/adapters/message-queue.ts'
import { tableLateUsage } from '../../shared/adapters/tables/late-usage.ts'
import { tablePoisonStore } from '../../shared/adapters/tables/poison-store.ts'
import { tableAccess } from '../../shared/adapters/tables/table-access.ts'
import { tableUsageLedger } from '../../shared/adapters/tables/usage-ledger.ts'
import type { PoisonStore } from '../../shared/ports/poison.ts'
import type { MessageQueue } from '../../shared/ports/queue.ts'
import type { LateUsage, UsageLedger } from '../../shared/ports/usage.ts'

export interface CountedStorage {
  readonly ledger: UsageLedger
  readonly late: LateUsage
  readonly queue: MessageQueue
  readonly poison: MessageQueue
  readonly poisoned: PoisonStore
  /** Requests sent since the start, including retries to tables. A transaction of many rows counts once. */
  transactions(): number
}

/** The real adapters, with their requests counted. */
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
    poisoned: tablePoisonStore(tables),
    transactions: () => transactions,
  }
}
