import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sqliteKeyReplica } from '../../../../shared/adapters/sqlite/key-replica.ts'
import { type LocalDatabase, openLocalDatabase } from '../../../../shared/adapters/sqlite/local-database.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import type { KeyLookup } from '../../../../shared/operations/key-cache/key-lookup.ts'
import { eraseKey } from '../../../../shared/operations/keys/erase-key.ts'
import { type HeldKey, makeKey } from '../../../support/requests/callers.ts'
import { makeTemporaryFolder } from '../../../support/samples/temporary-folder.ts'
import { knowingInstances } from '../../../support/worlds/knowing-instances.ts'

const PROMISED_MS = 10_000
/** More than one page of SQLite, so that the row has overflow pages. */
const texts = { ownerId: 'ann@example.com', name: 'Phone of Ann', metadata: { note: 'lives in Annville '.repeat(200) } }
const wanted = [texts.ownerId, texts.name, 'Annville']

let world: ReturnType<typeof knowingInstances>
let folder: string
let removeFolder: () => Promise<void>
let disk: LocalDatabase
let held: HeldKey
/** As a restored backup of the store may show it. */
let alive: Key

beforeEach(async () => {
  folder = await makeTemporaryFolder((remove) => {
    removeFolder = remove
  })
  disk = openDisk()
  world = knowingInstances()
  held = await makeKey(world.services, texts)
  alive = held.key
})
afterEach(async () => {
  disk.close()
  await removeFolder()
})

function openDisk(): LocalDatabase {
  const opened = openLocalDatabase({ folder, fingerprint: 'ab', log: () => undefined })
  if (opened === undefined) throw new Error('no file')
  return opened
}

/** Which of the texts any file of the disk holds, log and free pages included. */
function textsOnDisk(): string[] {
  const { file } = disk
  const content = ['', '-wal'].map((suffix) => readIfThere(`${file}${suffix}`)).join()
  return wanted.filter((text) => content.includes(text))
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

async function cacheOn(instance: KeyLookup): Promise<void> {
  await instance.find(held.secret, false)
  await instance.findProvider('acme', false)
  // The row is written, and written again: earlier copies of it are left in free pages.
  for (let time = 0; time < 3; time++) {
    await world.time.advance(6000)
    await instance.find(held.secret, true)
  }
  await world.time.advance(2000)
}

const erase = () => eraseKey(world.services, everyProvider, held.key.keyId)

async function restoreBackup(): Promise<void> {
  const { keys } = world.services
  const found = await keys.findById(everyProvider, held.key.keyId)
  await keys.replace(alive, found?.version ?? '')
}

describe('an erased key', () => {
  test('takes along the text of its revocation, where an earlier version wrote it to the disk', async () => {
    const here = world.instance(disk.database)
    await cacheOn(here)
    const { revocation, digest } = await world.revoke(held.key.keyId)
    if (revocation === null) throw new Error('not revoked')
    await world.time.advance(PROMISED_MS)
    sqliteKeyReplica(() => disk.database).save({
      ...{ forget: false, removedKeys: [], erasedKeys: [], removedProviders: [], keys: [], providers: [] },
      ...{ revoked: [{ digest, revocation: { ...revocation, text: texts.ownerId } }], watermarkMs: undefined },
    })
    await erase()
    await world.time.advance(PROMISED_MS)
    expect(textsOnDisk()).toEqual([])
  })

  test('leaves the memory and the disk of another instance within 10 s, and stays revoked there', async () => {
    const here = world.instance(disk.database)
    await cacheOn(here)
    expect(textsOnDisk()).toEqual(wanted)
    await world.revoke(held.key.keyId)
    await world.time.advance(PROMISED_MS)
    expect(here.recall(held.key.keyId)).toMatchObject({ name: texts.name })
    await erase()
    await world.time.advance(PROMISED_MS)
    expect(here.recall(held.key.keyId)).toBeUndefined()
    expect(textsOnDisk()).toEqual([])
    const { value } = await here.find(held.secret, false)
    expect(value).toMatchObject({ name: 'erased', revocation: { reason: 'policy', text: null } })
    await world.time.advance(PROMISED_MS)
    expect(textsOnDisk()).toEqual([])
  })

  test('is refused in an outage, and by an instance whose store was restored to before', async () => {
    const here = world.instance(disk.database)
    await cacheOn(here)
    await world.revoke(held.key.keyId)
    await erase()
    await world.time.advance(PROMISED_MS)
    world.outage(true)
    await expect(here.find(held.secret, false)).rejects.toMatchObject({ code: 'store_unavailable' })
    world.outage(false)
    await world.time.advance(PROMISED_MS)
    await restoreBackup()
    expect((await here.find(held.secret, true)).value?.revocation).toMatchObject({ reason: 'policy' })
  })

  test('stays so across a restart, also where the instance was not running when it was erased', async () => {
    const here = world.instance(disk.database)
    await cacheOn(here)
    await world.revoke(held.key.keyId)
    await here.stop()
    disk.close()
    await erase()
    await world.time.advance(60_000)
    disk = openDisk()
    expect(textsOnDisk()).toEqual(wanted)
    const again = world.instance(disk.database)
    again.start()
    await world.time.advance(PROMISED_MS)
    expect(textsOnDisk()).toEqual([])
    expect(again.recall(held.key.keyId)).toBeUndefined()
    await restoreBackup()
    expect((await again.find(held.secret, true)).value?.revocation).toMatchObject({ reason: 'policy' })
    await again.stop()
    disk.close()
    disk = openDisk()
    const third = world.instance(disk.database)
    expect((await third.find(held.secret, true)).value?.revocation).toMatchObject({ reason: 'policy' })
  })

  test('leaves an instance that missed the change: after a gap it drops everything', async () => {
    const here = world.instance(disk.database)
    await cacheOn(here)
    await world.revoke(held.key.keyId)
    await world.time.advance(PROMISED_MS)
    world.down.feed = true
    await erase()
    await world.time.advance(26 * 3_600_000)
    world.down.feed = false
    const other = await makeKey(world.services)
    await here.find(other.secret, false)
    await world.time.advance(PROMISED_MS)
    expect(textsOnDisk()).toEqual([])
    expect(here.recall(held.key.keyId)).toBeUndefined()
  })
})
