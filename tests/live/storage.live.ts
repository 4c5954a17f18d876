import { afterAll } from 'vitest'
import { liveAccount } from '../support/live-account.ts'
import { messageQueueContract } from '../support/message-queue-contract.ts'
import { tableContracts } from '../support/table-contracts.ts'

const account = liveAccount(process.env.LIVE_AZURE_STORAGE_CONNECTION_STRING ?? '')
afterAll(() => Promise.all([account.removeTables(), account.removeQueues()]))

tableContracts('Table Storage', account.tables)
messageQueueContract('Queue Storage', () => ({ queue: account.queue(), pass: () => undefined }))
