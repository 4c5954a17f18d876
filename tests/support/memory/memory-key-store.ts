import { covers, type ProviderScope } from '../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import type { KeyStore } from '../../../shared/ports/keys.ts'
import type { Page, PageRequest, Versioned } from '../../../shared/ports/store.ts'

/** A KeyStore in memory, under the same contract tests as the one on tables. */
export function memoryKeyStore(): KeyStore {
  const byDigest = new Map<string, Versioned<Key>>()
  const digestById = new Map<string, string>()
  const digestByAlias = new Map<string, string>()
  let writes = 0

  function write(key: Key): void {
    byDigest.set(key.digest, { value: structuredClone(key), version: String(++writes) })
    digestById.set(key.keyId, key.digest)
  }

  return {
    async create(key) {
      if (byDigest.has(key.digest) || digestByAlias.has(key.digest) || digestById.has(key.keyId)) return 'exists'
      write(key)
      return 'created'
    },
    async findByDigest(scope, digest) {
      const found = byDigest.get(digestByAlias.get(digest) ?? digest)
      return found && covers(scope, found.value.providerId) ? structuredClone(found.value) : undefined
    },
    async findById(scope, keyId) {
      const found = byDigest.get(digestById.get(keyId) ?? '')
      return found && covers(scope, found.value.providerId) ? structuredClone(found) : undefined
    },
    async addAlias(digest, alias) {
      if (byDigest.has(alias) || (digestByAlias.get(alias) ?? digest) !== digest) return 'taken'
      digestByAlias.set(alias, digest)
      return 'added'
    },
    async replace(key, version) {
      if (byDigest.get(key.digest)?.version !== version) return 'stale'
      write(key)
      return 'replaced'
    },
    page: pageOf,
    pageAll: pageOf,
  }

  async function pageOf(scope: ProviderScope, { limit, after }: PageRequest): Promise<Page<Key>> {
    const rest = [...byDigest.values()]
      .map(({ value }) => ({ key: value, position: `${MS_MAX - value.createdAt.getTime()}|${value.keyId}` }))
      .filter(({ key, position }) => covers(scope, key.providerId) && (after === null || position > after))
      .sort((left, right) => (left.position < right.position ? -1 : 1))
    const page = rest.slice(0, limit)
    const items = page.map(({ key }) => structuredClone(key))
    return { items, next: rest.length > limit ? (page.at(-1)?.position ?? null) : null }
  }
}

const MS_MAX = 9_999_999_999_999
