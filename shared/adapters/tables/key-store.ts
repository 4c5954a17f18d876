import { createHash } from 'node:crypto'
import { odata } from '@azure/data-tables'
import pLimit from 'p-limit'
import * as z from 'zod'
import { covers, type ProviderScope } from '../../domain/access/provider-scope.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { KeyStore } from '../../ports/keys.ts'
import type { Page, PageRequest } from '../../ports/store.ts'
import { type KeyRows, keyRows } from './key-rows.ts'
import type { Table } from './table.ts'
import type { TableAccess } from './table-access.ts'
import { decodeRow, encodeRow } from './table-row.ts'

const idPointer = z.object({ digest: z.string(), providerId: z.string() })
const listPointer = z.object({ digest: z.string(), keyId: z.string() })

const ID_POINTER = 'pointer'
const CLAIM_ATTEMPTS = 3
/** A page of 100 keys does not fill the bulkhead. */
const PAGE_READS_AT_ONCE = 8

/**
 * Keys in three tables: `keys` holds each key, `keyids` and `keysbyprovider` point to it. The pointers are written first
 * and the key last, so a crash leaves dangling pointers, which readers skip.
 */
export function tableKeyStore(tables: TableAccess): KeyStore {
  const keys = keyRows(tables.table('keys'))
  const ids = tables.table('keyids')
  const lists = tables.table('keysbyprovider')

  return {
    async create(key) {
      if (!(await claimId(ids, keys, key))) return 'exists'
      const pointer = encodeRow(lists.name, listPointer, key)
      await lists.upsert({ partitionKey: key.providerId, rowKey: listPosition(key), ...pointer })
      return keys.create(key)
    },

    async findByDigest(scope, digest) {
      const found = await keys.resolve(digest)
      return found && covers(scope, found.value.providerId) ? found.value : undefined
    },

    async findById(scope, keyId) {
      const row = await ids.get(keyId, ID_POINTER)
      const pointer = row && decodeRow(ids.name, idPointer, row)
      const found = pointer && covers(scope, pointer.providerId) ? await keys.find(pointer.digest) : undefined
      return found?.value.keyId === keyId ? found : undefined
    },

    addAlias: keys.addAlias,

    replace: (key, version) => keys.replace(key, version),

    page: (scope, request) => pageOf(scope, odata`PartitionKey eq ${scope.providerId}`, request),
    // The id of every provider, and `*`, is greater.
    pageAll: (scope, request) => pageOf(scope, odata`PartitionKey gt ${'!'}`, request),
  }

  async function pageOf(scope: ProviderScope, filter: string, { limit, after }: PageRequest): Promise<Page<Key>> {
    const { items: rows, next } = await lists.page({ filter, limit, after })
    const newestFirst = rows.toSorted((left, right) => (left.rowKey < right.rowKey ? -1 : 1))
    const pointers = newestFirst.map((row) => decodeRow(lists.name, listPointer, row))
    const items = await pLimit(PAGE_READS_AT_ONCE).map(pointers, async ({ digest, keyId }) => {
      const found = await keys.find(digest)
      return found?.value.keyId === keyId && covers(scope, found.value.providerId) ? [found.value] : []
    })
    return { items: items.flat(), next }
  }
}

/** Points the key's id to its digest. Returns false when another key has the id, or is claiming it at the same time. */
async function claimId(ids: Table, keys: KeyRows, key: Key, attemptsLeft = CLAIM_ATTEMPTS): Promise<boolean> {
  const pointer = { partitionKey: key.keyId, rowKey: ID_POINTER, ...encodeRow(ids.name, idPointer, key) }
  if ((await ids.create(pointer)) === 'created') return true
  const row = await ids.get(key.keyId, ID_POINTER)
  const holder = row && decodeRow(ids.name, idPointer, row)
  if (holder?.digest === key.digest) return true
  if (holder && (await keys.bar(holder.digest)) === 'taken') return false
  if (row && (await ids.replace(pointer, row.etag)) === 'replaced') return true
  return attemptsLeft > 1 && claimId(ids, keys, key, attemptsLeft - 1)
}

const MS_MAX = 9_999_999_999_999

/**
 * Newer keys sort first. The last part separates the attempts to create one key, of which at most one succeeds, without
 * revealing the digest: positions leave the service in cursors.
 */
function listPosition({ createdAt, keyId, digest }: Key): string {
  const inverted = String(MS_MAX - createdAt.getTime()).padStart(13, '0')
  return `${inverted}|${keyId}|${createHash('sha256').update(digest).digest('hex').slice(0, 8)}`
}
