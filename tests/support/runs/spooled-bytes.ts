import { readdir } from 'node:fs/promises'
import { openOrphanedDatabase } from '../../../shared/adapters/sqlite/local-database.ts'
import { sqliteSpool } from '../../../shared/adapters/sqlite/spool.ts'
import { callApi } from '../requests/api-client.ts'

/** The bytes in all spools: those of the running hosts and the orphaned files in the folders. */
export async function spooledBytes(
  hosts: readonly { readonly baseUrl: string }[],
  folders: Iterable<string>,
  adminKey: string,
): Promise<number> {
  let bytes = 0
  for (const { baseUrl } of hosts) bytes += await readSpoolGauge(baseUrl, adminKey)
  for (const folder of folders) bytes += await orphanedBytesIn(folder)
  return bytes
}

async function orphanedBytesIn(folder: string): Promise<number> {
  let bytes = 0
  for (const file of await readdir(folder)) {
    const [, fingerprint = '', slot] = /^auth-api-([0-9a-f]+)-(\d+)\.db$/.exec(file) ?? []
    if (slot !== undefined) bytes += orphanedBytes({ folder, fingerprint, log: () => undefined }, Number(slot))
  }
  return bytes
}

function orphanedBytes(options: Parameters<typeof openOrphanedDatabase>[0], slot: number): number {
  const orphaned = openOrphanedDatabase(options, slot)
  if (orphaned === undefined) return 0
  try {
    return sqliteSpool(orphaned.database).usage.fill().bytes
  } finally {
    orphaned.close()
  }
}

/** NaN without the metric: the host has no spool. */
async function readSpoolGauge(baseUrl: string, credential: string): Promise<number> {
  const { text } = await callApi(baseUrl, 'GET /metrics', { credential })
  return Number(/^auth_api_spool_bytes(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1])
}
