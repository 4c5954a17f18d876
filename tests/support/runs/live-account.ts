import { randomBytes } from 'node:crypto'
import { TableServiceClient } from '@azure/data-tables'
import { QueueServiceClient } from '@azure/storage-queue'
import { storageMessageQueue } from '../../../shared/adapters/message-queue.ts'
import { type TableAccess, type TableAccessOptions, tableAccess } from '../../../shared/adapters/tables/table-access.ts'

/** Tables and queues in a shared account: under names unique to this run, removed at its end. */
export function liveAccount(connectionString: string, options: Omit<TableAccessOptions, 'connectionString'> = {}) {
  const prefix = `live${randomBytes(6).toString('hex')}`
  const access = tableAccess({ ...options, connectionString })
  let queues = 0
  return {
    tables: (): TableAccess => ({ table: (name) => access.table(`${prefix}${name}`) }),
    queue: () => storageMessageQueue({ connectionString, name: `${prefix}-${++queues}` }),
    async removeTables(): Promise<void> {
      const allowInsecureConnection = /http:\/\/127\.0\.0\.1/.test(connectionString)
      const service = TableServiceClient.fromConnectionString(connectionString, { allowInsecureConnection })
      for await (const { name = '' } of service.listTables()) {
        if (name.startsWith(prefix)) await service.deleteTable(name)
      }
    },
    async removeQueues(): Promise<void> {
      const service = QueueServiceClient.fromConnectionString(connectionString)
      for await (const { name } of service.listQueues({ prefix })) await service.deleteQueue(name)
    },
  }
}
