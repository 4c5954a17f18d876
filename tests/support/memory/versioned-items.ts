import type { Page, PageRequest, Versioned } from '../../../shared/ports/store.ts'

/** Items by id, each with a version that changes at every write: the part that stores in memory have in common. */
export function versionedItems<Item>(idOf: (item: Item) => string) {
  const items = new Map<string, Versioned<Item>>()
  let writes = 0

  async function put(value: Item): Promise<void> {
    items.set(idOf(value), { value, version: `v${++writes}` })
  }

  return {
    put,
    /** False where the id is taken: the item there stays as it is. */
    async create(value: Item): Promise<boolean> {
      if (items.has(idOf(value))) return false
      await put(value)
      return true
    },
    find: async (id: string) => items.get(id),
    async page({ limit, after }: PageRequest): Promise<Page<Versioned<Item>>> {
      const ids = [...items.keys()].sort().filter((id) => after === null || id > after)
      const next = ids.length > limit ? (ids[limit - 1] ?? null) : null
      return { items: ids.slice(0, limit).flatMap((id) => items.get(id) ?? []), next }
    },
    async replace(value: Item, version: string): Promise<'replaced' | 'stale'> {
      if (items.get(idOf(value))?.version !== version) return 'stale'
      await put(value)
      return 'replaced'
    },
    async remove(id: string, version: string): Promise<'removed' | 'stale'> {
      const found = items.get(id)
      if (found !== undefined && found.version !== version) return 'stale'
      items.delete(id)
      return 'removed'
    },
    held: (): readonly Item[] => [...items.values()].map(({ value }) => value),
  }
}
