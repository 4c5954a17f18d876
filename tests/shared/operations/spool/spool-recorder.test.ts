import { describe, expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../../shared/domain/usage/message-packing.ts'
import type { Spool, UsageSpool } from '../../../../shared/ports/spool.ts'
import { sampleUse } from '../../../support/contracts/spool-contract.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { outcomeOf } from '../../../support/worlds/recorder-under-test.ts'
import { spoolWorld } from '../../../support/worlds/spool-world.ts'

/** A spool that logs its steps. After `fail` every further step of that name throws. */
function watchedSpool(inner: Spool = memorySpool()) {
  const steps: string[] = []
  let failing: string | undefined
  const usage = new Proxy(inner.usage, {
    get: (target, name: keyof UsageSpool) => {
      const step = target[name] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        if (name === failing) throw new Error('The disk failed.')
        if (name === 'append' || name === 'storeBatches' || name === 'remove') steps.push(name)
        return step(...args)
      }
    },
  })
  const fail = (step: 'append' | 'storeBatches' | 'remove' | undefined) => {
    failing = step
  }
  return { spool: { ...inner, usage }, steps, fail }
}

describe('a local recorder', () => {
  test('resolves a use once it is on the disk, even while the queue is down', async () => {
    const { spool, boot, setQueue } = spoolWorld()
    setQueue('down')
    const recorded = boot().recorder.record(sampleUse())
    expect(spool.usage.loose()).toEqual([])
    expect(await outcomeOf(recorded)).toBe('resolved')
    expect(spool.usage.loose()).toEqual([{ producer: 'host.BOOT1', events: [sampleUse()] }])
  })

  test('appends all uses of one turn in one step', async () => {
    const { spool, steps } = watchedSpool()
    const { recorder } = spoolWorld({ spool }).boot()
    const all = Array.from({ length: 100 }, (_, index) => recorder.record(sampleUse({ keyId: `key-${index}` })))
    await Promise.all(all)
    expect(steps).toEqual(['append'])
    await recorder.record(sampleUse())
    expect(steps).toEqual(['append', 'append'])
  })

  test('gathers uses for a second, then sends and removes them', async () => {
    const { spool, boot, sent, counted, time } = spoolWorld()
    const { recorder } = boot()
    await recorder.record(sampleUse())
    await time.advance(999)
    await recorder.record(sampleUse())
    expect(sent).toHaveLength(0)
    await time.advance(1)
    await rest()
    expect([sent.length, counted()]).toEqual([1, { 'key-a': 2 }])
    expect([spool.usage.loose(), spool.usage.oldest(1)]).toEqual([[], []])
  })

  test('sends a full message at once, and never an oversized message', async () => {
    const { boot, sent } = spoolWorld()
    const { recorder } = boot()
    await Promise.all(Array.from({ length: 700 }, (_, index) => recorder.record(sampleUse({ keyId: `key-${index}` }))))
    await rest()
    expect(sent.length).toBeGreaterThan(1)
    expect(Math.max(...sent.map((body) => Buffer.byteLength(body)))).toBeLessThanOrEqual(MESSAGE_BYTES_MAX)
  })

  test('does not let many uses of few keys fill the spool while the queue is down', async () => {
    const { spool, boot, setQueue, time } = spoolWorld()
    setQueue('down')
    const { recorder } = boot()
    await recorder.record(sampleUse())
    await time.advance(1000)
    for (let turn = 0; turn < 25; turn++) {
      await Promise.all(Array.from({ length: 1000 }, () => recorder.record(sampleUse())))
    }
    expect(spool.usage.loose()[0]?.events.length).toBeLessThan(20_000)
    expect(spool.usage.oldest(10)).toHaveLength(2)
  })

  test('folds the more uses into a message, the longer the queue is behind', async () => {
    const { spool, boot, setQueue, time, counted } = spoolWorld()
    setQueue('down')
    const { recorder } = boot()
    for (let second = 0; second < 120; second++) {
      await Promise.all(Array.from({ length: 20 }, (_, key) => recorder.record(sampleUse({ keyId: `key-${key}` }))))
      await time.advance(1000)
    }
    expect(spool.usage.fill().batches).toBeLessThanOrEqual(3)
    setQueue('up')
    await time.advance(60_000)
    expect(Object.values(counted())).toEqual(Array.from({ length: 20 }, () => 120))
    expect(spool.usage.fill().bytes).toBe(0)
  })

  test('holds at most 8 MiB in memory while the queue is behind, and counts each use once', async () => {
    const { spool, boot, setQueue, time, counted } = spoolWorld()
    setQueue('down')
    const { recorder } = boot()
    const keys = Array.from({ length: 30 }, (_, turn) => Array.from({ length: 1000 }, (_, key) => `key-${turn}-${key}`))
    for (const turn of keys) {
      await Promise.all(turn.map((keyId) => recorder.record(sampleUse({ keyId }))))
      await time.advance(1000)
    }
    expect(spool.usage.fill().batches).toBeGreaterThan(10)
    setQueue('up')
    await time.advance(120_000)
    expect(Object.values(counted()).every((count) => count === 1)).toBe(true)
    expect(Object.keys(counted())).toHaveLength(30_000)
  })

  test('folds what is on the disk too, once it is behind', async () => {
    const { spool, boot, setQueue, time, counted } = spoolWorld()
    setQueue('down')
    const { recorder } = boot()
    for (let turn = 0; turn < 80; turn++) {
      await Promise.all(Array.from({ length: 1000 }, () => recorder.record(sampleUse())))
      if (turn === 0 || turn === 30) await time.advance(5000)
    }
    expect(spool.usage.loose().flatMap(({ events }) => events).length).toBeLessThan(25_000)
    expect(spool.usage.fill().batches).toBeLessThanOrEqual(4)
    setQueue('up')
    boot().start()
    await time.advance(60_000)
    expect(counted()).toEqual({ 'key-a': 80_000 })
  })

  test('sends nothing but the hash of an address', async () => {
    const { boot, batches, sent } = spoolWorld()
    const { recorder } = boot()
    await recorder.record(sampleUse({ clientIp: '192.0.2.77' }))
    await recorder.flush()
    expect(batches()[0]?.deltas[0]?.lastIpHash).toBe('hash-of-192.0.2.77')
    expect(sent.join().replaceAll('hash-of-192.0.2.77', '')).not.toContain('192.0.2.77')
  })

  test('refuses uses while the spool is full, loses none, and recovers once the queue acknowledges', async () => {
    const { boot, counted, setQueue, time, logged } = spoolWorld({ spool: memorySpool(1000) })
    const { recorder } = boot()
    setQueue('down')
    let accepted = 0
    while ((await outcomeOf(recorder.record(sampleUse()))) === 'resolved') accepted++
    expect(await outcomeOf(recorder.record(sampleUse()))).toBe('usage_unavailable')
    expect(logged).toContain('warn The spool of uses is full.')
    setQueue('up')
    await time.advance(10_000)
    expect(counted()).toEqual({ 'key-a': accepted })
    expect(await outcomeOf(recorder.record(sampleUse()))).toBe('resolved')
  })
})

describe('when the disk fails', () => {
  test('at an append, the use is refused, as it may be on the disk; later uses go to the queue first', async () => {
    const { spool, fail } = watchedSpool()
    const { boot, strict, logged } = spoolWorld({ spool })
    const { recorder, state } = boot()
    expect(state()).toBeDefined()
    fail('append')
    expect(await outcomeOf(recorder.record(sampleUse()))).toBe('usage_unavailable')
    fail(undefined)
    expect(await outcomeOf(recorder.record(sampleUse({ keyId: 'key-b' })))).toBe('resolved')
    expect([strict, spool.usage.loose(), state()]).toEqual([['key-b'], [], undefined])
    expect(logged.filter((line) => line.startsWith('error'))).toHaveLength(1)
  })

  test('at storing batches, the uses on the disk wait for the next start and count once', async () => {
    const { spool, fail } = watchedSpool()
    const world = spoolWorld({ spool })
    const { recorder } = world.boot()
    await recorder.record(sampleUse())
    fail('storeBatches')
    await world.time.advance(1000)
    fail(undefined)
    await recorder.flush()
    expect(world.sent).toEqual([])
    world.boot().start()
    await world.time.advance(1000)
    expect(world.counted()).toEqual({ 'key-a': 1 })
  })

  test('at removing a batch, the batch is sent again under its id', async () => {
    const { spool, fail } = watchedSpool()
    const { boot, sent, counted, time } = spoolWorld({ spool })
    await boot().recorder.record(sampleUse())
    fail('remove')
    await time.advance(2000)
    fail(undefined)
    await time.advance(5000)
    expect(sent.length).toBeGreaterThan(1)
    expect(counted()).toEqual({ 'key-a': 1 })
    expect(spool.usage.oldest(1)).toEqual([])
  })

  test.each([
    ['no file is available', () => undefined],
    ['the file cannot be read', unreadable],
  ])('from the start, as %s, a use resolves only after the queue has acknowledged it', async (_, open) => {
    const { boot, strict } = spoolWorld()
    const localSpool = boot({ open })
    localSpool.start()
    await localSpool.recorder.record(sampleUse())
    await localSpool.recorder.flush()
    expect([strict, localSpool.state()]).toEqual([['key-a'], undefined])
  })
})

function unreadable(): never {
  throw new Error('The database disk image is malformed.')
}
