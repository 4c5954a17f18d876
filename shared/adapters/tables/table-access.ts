import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { TableClient, type TableServiceClientOptions } from '@azure/data-tables'
import type { TokenCredential } from '@azure/identity'
import { type Guard, openGuard } from '../guard/guard.ts'
import { guardPolicy } from '../guard/guard-policy.ts'
import type { RequestUnits } from '../guard/request-units.ts'
import { asciiBodies } from './ascii-bodies.ts'
import { openTable, type Table } from './table.ts'

export interface TableAccess {
  table(name: string): Table
}

/** The account of the tables, Table Storage or Cosmos DB for Table, by a connection string or by the app's own identity. */
export type TableAccount =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly credential: TokenCredential }

export type TableAccessOptions = TableAccount & {
  /** Every request goes through it; without one, a guard with the default policy. */
  readonly guard?: Guard
  /** Every request is charged to them; without them, requests cost nothing. */
  readonly units?: RequestUnits | undefined
  /** The turn of every request, for work that is shared by all callers; by default that of the caller. */
  readonly turn?: string
  /** For tests: stands between this adapter and the SDK, to shuffle results or to inject faults. */
  readonly wrapClient?: (client: TableClient) => TableClient
}

/** Opens the tables of one account. Creates no client, and sends nothing, before a table is first used. */
export function tableAccess(options: TableAccessOptions): TableAccess {
  const { guard = openGuard({ name: 'tables' }), units, turn, wrapClient } = options
  const tables = new Map<string, Table>()
  const policy = guardPolicy(guard, units, turn)
  const open = (name: string): Table => {
    const client = openClient(options, name, policy)
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

/** The SDK's own retries are off: they have no retry budget. */
function openClient(account: TableAccount, name: string, policy: PipelinePolicy): TableClient {
  const options: TableServiceClientOptions = {
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [
      { position: 'perCall', policy: asciiBodies },
      { position: 'perRetry', policy },
    ],
  }
  if ('credential' in account) return new TableClient(account.endpoint, name, account.credential, options)
  const { connectionString } = account
  const allowInsecureConnection = /(^|;)\s*(DefaultEndpointsProtocol|TableEndpoint)=http[:;]/i.test(connectionString)
  return TableClient.fromConnectionString(connectionString, name, { ...options, allowInsecureConnection })
}
