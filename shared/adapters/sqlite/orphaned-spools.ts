import type { OrphanedSpools } from '../../ports/spool.ts'
import { type LocalDatabaseOptions, localDatabaseSlots, openOrphanedDatabase } from './local-database.ts'
import { sqliteSpool } from './spool.ts'

/** The spools in this deployment's files on this machine that no process, this one included, has open. */
export function orphanedSpools(options: LocalDatabaseOptions): OrphanedSpools {
  return {
    visit: async (take) => {
      for (const slot of localDatabaseSlots) {
        const local = openOrphanedDatabase(options, slot)
        if (local === undefined) continue
        try {
          await take(sqliteSpool(local.database))
        } finally {
          local.close()
        }
      }
    },
  }
}
