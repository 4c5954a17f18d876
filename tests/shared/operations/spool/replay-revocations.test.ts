import { describe, expect, test } from 'vitest'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../../shared/domain/errors.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import type { ChangeKeyNeeds } from '../../../../shared/operations/keys/change-key.ts'
import type { KeyStore } from '../../../../shared/ports/keys.ts'
import type { Spool } from '../../../../shared/ports/spool.ts'
import { sampleUse } from '../../../support/contracts/spool-contract.ts'
import { memoryChangeFeed } from '../../../support/memory/memory-change-feed.ts'
import { memoryKeyStore } from '../../../support/memory/memory-key-store.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { sampleKey } from '../../../support/samples/sample-keys.ts'
import { asPending, spoolWorld, startProcess } from '../../../support/worlds/spool-world.ts'

describe('a revocation that waits for the store', () => {
  const pending = asPending(sampleKey({ providerId: 'acme' }), new Date('2026-11-22T15:00:00.000Z'))

  /** A store with the pending key, not revoked, and the key ids revoked on this instance. */
  function storeWorld(spool: Spool, orphaned: readonly Spool[] = []) {
    const stored = memoryKeyStore()
    const writtenAfter: number[] = []
    const revokedHere: string[] = []
    let down = true
    const keys: KeyStore = {
      ...stored,
      findById: (...asked) => (down ? Promise.reject(noReply()) : stored.findById(...asked)),
      replace: (...asked) => {
        writtenAfter.push(world.sent.length)
        return stored.replace(...asked)
      },
    }
    const keyLookup = { keyChanged: () => undefined, revokeHere: (key: Key) => void revokedHere.push(key.keyId) }
    const feed = memoryChangeFeed({ now: () => new Date() })
    const needs = { keys, ending: { keys }, feed, keyLookup } as unknown as ChangeKeyNeeds
    const world = spoolWorld({ spool, orphaned, needs })
    const setDown = (now: boolean) => {
      down = now
    }
    return { keys, revokedHere, setDown, world, writtenAfter }
  }

  test('takes effect again before the first request after a restart, and is written as of its own time', async () => {
    const spool = memorySpool()
    spool.revocations.put(pending)
    const { keys, revokedHere, setDown, world } = storeWorld(spool)
    await keys.create({ ...pending, revocation: null })
    const process = startProcess(world)
    expect(revokedHere).toEqual([pending.keyId])
    await world.time.advance(30_000)
    expect([process.state()?.pendingRevocations, spool.revocations.list()]).toEqual([1, [pending]])
    setDown(false)
    await world.time.advance(5000)
    expect((await keys.findById(everyProvider, pending.keyId))?.value.revocation).toEqual(pending.revocation)
    expect([process.state()?.pendingRevocations, spool.revocations.list()]).toEqual([0, []])
  })

  test('is replayed before the uses of its file, in the own file and in an orphaned one', async () => {
    for (const orphaned of [[], [memorySpool()]]) {
      const own = memorySpool()
      const spool = orphaned[0] ?? own
      spool.revocations.put(pending)
      spool.usage.append('gone.BOOT', [sampleUse()])
      const { keys, setDown, world, writtenAfter } = storeWorld(own, orphaned)
      await keys.create({ ...pending, revocation: null })
      setDown(false)
      startProcess(world)
      await world.time.advance(2000)
      expect([writtenAfter, world.counted()]).toEqual([[0], { 'key-a': 1 }])
    }
  })

  test('of a key that is gone is dropped, and logged', async () => {
    const spool = memorySpool()
    spool.revocations.put(pending)
    const { setDown, world } = storeWorld(spool)
    setDown(false)
    startProcess(world)
    await world.time.advance(1000)
    expect(spool.revocations.list()).toEqual([])
    expect(world.logged).toEqual(['error A key that was revoked meanwhile is gone.'])
  })
})

function noReply(): AppError {
  return new AppError('store_unavailable', 'No reply.')
}
