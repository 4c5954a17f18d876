import { createHmac } from 'node:crypto'
import { type LocalDatabase, ownDatabase } from '../adapters/sqlite/local-database.ts'
import { orphanedSpools } from '../adapters/sqlite/orphaned-spools.ts'
import { sqliteSpool } from '../adapters/sqlite/spool.ts'
import { inOrderOfUse } from '../operations/key-digests.ts'
import type { Log } from '../ports/runtime.ts'
import type { OrphanedSpools, Spool } from '../ports/spool.ts'
import type { Config } from '../runtime/config.ts'

/** The SQLite files on the local disk; each is opened on first use. */
export interface LocalFiles {
  /** The one file of this process; undefined where none can be opened. */
  readonly database: () => LocalDatabase | undefined
  /** The spool in that file. */
  readonly spool: () => Spool | undefined
  readonly orphaned: OrphanedSpools
}

/**
 * Pepper and account name the files of a deployment, so two deployments on one machine never send each other's uses. Files
 * under an older pepper are still drained after a rotation.
 */
export function openLocalFiles({ localDatabase, peppers, storage }: Config, log: Log): LocalFiles {
  if (localDatabase === undefined) {
    return { database: () => undefined, spool: () => undefined, orphaned: { visit: async () => undefined } }
  }
  const account = storage.kind === 'identity' ? storage.account : accountOf(storage.connectionString)
  const [own, ...older] = inOrderOfUse(peppers).map(({ bytes }) => ({
    ...{ folder: localDatabase.folder, log },
    fingerprint: createHmac('sha256', bytes).update(`auth-api/local-database/${account}`).digest('hex').slice(0, 16),
  }))
  if (own === undefined) throw new RangeError('openLocal needs at least one pepper')
  const open = ownDatabase(own)
  const orphanedByPepper = [own, ...older].map(orphanedSpools)
  return {
    database: open,
    spool: () => {
      const local = open()
      return local && sqliteSpool(local.database)
    },
    orphaned: {
      visit: async (take) => {
        for (const orphaned of orphanedByPepper) await orphaned.visit(take)
      },
    },
  }
}

/** A connection string with a shared access signature names no account; its endpoint does. */
function accountOf(connectionString: string): string {
  const [, account] = /(?:^|;)AccountName=([^;]+)/.exec(connectionString) ?? []
  const [, endpoint] = /(?:^|;)QueueEndpoint=([^;]+)/.exec(connectionString) ?? []
  return account ?? endpoint ?? ''
}
