import type { EventIds, HeldId, IdOwner } from '../../../shared/ports/usage-reports.ts'

/** EventIds in memory. */
export function memoryEventIds(): EventIds {
  const claims = new Map<string, { readonly owner: IdOwner; readonly version: string }>()
  let writes = 0
  return {
    claim: async ({ providerId }, ids, owner, over) => {
      const versions = new Map(over.map(({ id, version }) => [id, version]))
      const held: HeldId[] = []
      for (const id of ids) {
        const name = `${providerId}|${id}`
        const found = claims.get(name)
        const isMine = found?.owner.batchId === owner.batchId && found.owner.attempt === owner.attempt
        if (found === undefined || isMine || found.version === versions.get(id)) {
          claims.set(name, { owner, version: `v${++writes}` })
        } else held.push({ id, ...found })
      }
      return held
    },
  }
}
