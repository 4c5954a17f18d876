import * as z from 'zod'
import type { ProviderStore } from '../../ports/keys.ts'
import { lineageText, noLineage, rateLimitsText } from './rate-limits-column.ts'
import type { TableAccess } from './table-access.ts'
import { date, decodeRow, encodeRow, json } from './table-row.ts'

const limit = z.int().nullable()

/** All of a provider but its id, which is the partition's key. */
export const providerShape = z.object({
  name: json(z.string().nullable()),
  status: z.enum(['active', 'disabled']),
  failMode: z.enum(['open', 'closed']),
  rateLimits: rateLimitsText,
  quotas: json(z.object({ requestsPerDay: limit, requestsPerMonth: limit, maxKeys: limit, keysPerHour: limit })),
  lineage: lineageText,
  createdAt: date,
  updatedAt: date,
  updatedBy: z.string(),
})

/** Providers, one row each in the table `providers`. */
export function tableProviderStore(tables: TableAccess): ProviderStore {
  const table = tables.table('providers')
  return {
    async find({ providerId }) {
      const row = await table.get(providerId, 'provider')
      return (
        row && {
          value: { ...decodeRow(table.name, providerShape, { ...noLineage, ...row }), providerId },
          version: row.etag,
        }
      )
    },
    async put({ providerId }, provider, version) {
      const row = { partitionKey: providerId, rowKey: 'provider', ...encodeRow(table.name, providerShape, provider) }
      const result = version === null ? await table.create(row) : await table.replace(row, version)
      return result === 'created' || result === 'replaced' ? 'stored' : 'stale'
    },
  }
}
