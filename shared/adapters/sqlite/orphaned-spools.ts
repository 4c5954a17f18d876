import type { OrphanedSpools } from '../../ports/spool.ts'
import { type LocalDatabaseOptions, localDatabaseSlots, openLeftDatabase } from './local-database.ts'
import { sqliteSpool } from './spool.ts'

/** The files of this deployment on this machine that no process has open, this one included. */
export function orphanedSpools(options: LocalDatabaseOptions): OrphanedSpools {
  return {
    visit: async (take) => {
      for (const slot of localDatabaseSlots) {
        const local = openLeftDatabase(options, slot)
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
