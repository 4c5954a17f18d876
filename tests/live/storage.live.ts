import { afterAll } from 'vitest'
import { messageQueueContract } from '../support/contracts/message-queue-contract.ts'
import { tableContracts } from '../support/contracts/table-contracts.ts'
import { liveAccount } from '../support/runs/live-account.ts'

const account = liveAccount(process.env.LIVE_AZURE_STORAGE_CONNECTION_STRING ?? '')
afterAll(() => Promise.all([account.removeTables(), account.removeQueues()]))

tableContracts('Table Storage', account.tables)
messageQueueContract('Queue Storage', () => ({ queue: account.queue(), pass: () => undefined }))
