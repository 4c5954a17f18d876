import { TableClient } from '@azure/data-tables'
import { type Guard, openGuard } from './guard.ts'
import { guardPolicy } from './guard-policy.ts'
import { openTable, type Table } from './table.ts'

export interface TableAccess {
  table(name: string): Table
}

export interface TableAccessOptions {
  readonly connectionString: string
  /** What every request goes through; without one, a guard of its own that is in no hurry. */
  readonly guard?: Guard
  /** For tests: stands between this adapter and the SDK, to shuffle results or to inject faults. */
  readonly wrapClient?: (client: TableClient) => TableClient
}

/** Opens the tables of one account. Nothing is sent, and no client is made, before a table is first asked for. */
export function tableAccess({ connectionString, guard, wrapClient }: TableAccessOptions): TableAccess {
  const tables = new Map<string, Table>()
  const policy = guardPolicy(guard ?? openGuard({ name: 'tables' }))
  const open = (name: string): Table => {
    const client = TableClient.fromConnectionString(connectionString, name, {
      allowInsecureConnection: /(^|;)\s*(DefaultEndpointsProtocol|TableEndpoint)=http[:;]/i.test(connectionString),
      retryOptions: { maxRetries: 0 },
      additionalPolicies: [{ position: 'perRetry', policy }],
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
