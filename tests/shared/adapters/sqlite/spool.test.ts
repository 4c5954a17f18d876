import { onTestFinished } from 'vitest'
import { type LocalDatabase, openLocalDatabase } from '../../../../shared/adapters/sqlite/local-database.ts'
import { sqliteSpool } from '../../../../shared/adapters/sqlite/spool.ts'
import { spoolContract } from '../../../support/contracts/spool-contract.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { makeTemporaryFolderNow } from '../../../support/samples/temporary-folder.ts'

spoolContract('memory', (roomFor) => {
  const spool = memorySpool(roomFor)
  return { spool, reopen: () => spool }
})

spoolContract('a local database', (roomFor) => {
  const folder = makeTemporaryFolderNow()
  let local: LocalDatabase | undefined
  const open = () => {
    local?.close()
    local = openLocalDatabase({ folder, fingerprint: 'abc', log: () => undefined })
    if (local === undefined) throw new Error('It could not be opened.')
    return sqliteSpool(local.database, roomFor)
  }
  onTestFinished(() => local?.close())
  return { spool: open(), reopen: open }
})
