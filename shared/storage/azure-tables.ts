import { TableClient, type TableServiceClientOptions } from '@azure/data-tables'
import { openTable, type Table } from './table.ts'

export interface TableAccess {
  table(name: string): Table
}

export interface TableAccessOptions {
  readonly connectionString: string
  /** How long one try may take, body included. */
  readonly tryTimeoutMs?: number
  /** For tests: stands between this adapter and the SDK, to shuffle results or to inject faults. */
  readonly wrapClient?: (client: TableClient) => TableClient
}

const TRY_TIMEOUT_MS = 5000
const RETRIES = { maxRetries: 2, retryDelayInMs: 100, maxRetryDelayInMs: 1000 }

/** Opens the tables of one account. Nothing is sent, and no client is made, before a table is first asked for. */
export function tableAccess({ connectionString, tryTimeoutMs, wrapClient }: TableAccessOptions): TableAccess {
  const tables = new Map<string, Table>()
  const open = (name: string): Table => {
    const client = TableClient.fromConnectionString(connectionString, name, {
      allowInsecureConnection: /(^|;)\s*(DefaultEndpointsProtocol|TableEndpoint)=http[:;]/i.test(connectionString),
      retryOptions: RETRIES,
      additionalPolicies: [{ position: 'perRetry', policy: boundTries(tryTimeoutMs ?? TRY_TIMEOUT_MS) }],
    })
    return openTable(wrapClient ? wrapClient(client) : client, name)
  }
  return {
    table: (name) => {
      const table = tables.get(name) ?? open(name)
      tables.set(name, table)
      return table
    },
  }
}

type PipelinePolicy = NonNullable<TableServiceClientOptions['additionalPolicies']>[number]['policy']

/**
 * The SDK's own timeout stops at the response's headers, and it waits for as long as a `Retry-After` says: both would let
 * a sick store hang a caller.
 */
function boundTries(timeoutMs: number): PipelinePolicy {
  return {
    name: 'boundTries',
    sendRequest: async (request, next) => {
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), timeoutMs)
      request.abortSignal = controller.signal
      try {
        const response = await next(request)
        for (const header of ['retry-after', 'retry-after-ms', 'x-ms-retry-after-ms']) response.headers.delete(header)
        return response
      } finally {
        clearTimeout(timer)
        delete request.abortSignal
      }
    },
  }
}
