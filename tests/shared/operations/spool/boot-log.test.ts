import { describe, expect, test } from 'vitest'
import { sampleUse } from '../../../support/contracts/spool-contract.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { outcomeOf } from '../../../support/worlds/recorder-under-test.ts'
import { spoolWorld, startProcess } from '../../../support/worlds/spool-world.ts'

const MINUTE_MS = 60_000

describe('a boot', () => {
  test('is in the store before the first answer that relies on the disk', async () => {
    const world = spoolWorld()
    world.setQueue('down')
    const { recorder } = startProcess(world)
    expect(await world.bootStore.openBoots()).toEqual([])
    await recorder.record(sampleUse())
    expect(await world.bootStore.openBoots()).toMatchObject([{ producer: 'host.BOOT1', waitingMessages: 1 }])
  })

  test('costs later answers no request', async () => {
    const world = spoolWorld()
    const { recorder } = startProcess(world)
    await recorder.record(sampleUse())
    const { calls } = world.bootStore
    for (let use = 0; use < 100; use++) await recorder.record(sampleUse())
    expect(world.bootStore.calls).toBe(calls)
  })

  test('is closed with its last number once its disk has held no use for half a minute', async () => {
    const world = spoolWorld()
    const { recorder } = startProcess(world)
    await recorder.record(sampleUse())
    await world.time.advance(MINUTE_MS + 1000)
    expect(await world.bootStore.openBoots()).toEqual([])
    expect(await world.bootStore.closedBoots()).toMatchObject([{ producer: 'host.BOOT1', lastNumber: 1 }])
    await recorder.record(sampleUse())
    expect(await world.bootStore.openBoots()).toHaveLength(1)
  })

  test('stays open, and reports what waits, while the queue is down', async () => {
    const world = spoolWorld()
    world.setQueue('down')
    const { recorder } = startProcess(world)
    await recorder.record(sampleUse())
    await world.time.advance(10 * MINUTE_MS)
    const [boot] = await world.bootStore.openBoots()
    expect(boot).toMatchObject({ lastNumber: 1, waitingMessages: 1 })
    expect(world.time.clock.now().getTime() - Number(boot?.reportedAt)).toBeLessThanOrEqual(MINUTE_MS)
  })

  test('that was killed with its disk stays open for good', async () => {
    const world = spoolWorld()
    world.setQueue('down')
    await startProcess(world).recorder.record(sampleUse())
    const elsewhere = memorySpool()
    const other = world.boot({ open: () => elsewhere })
    other.start()
    await world.time.advance(60 * MINUTE_MS)
    expect(await world.bootStore.openBoots()).toMatchObject([{ producer: 'host.BOOT1' }])
  })

  test('is closed by the process that takes its disk over and sends its uses', async () => {
    const world = spoolWorld()
    world.setQueue('down')
    await startProcess(world).recorder.record(sampleUse())
    startProcess(world)
    await world.time.advance(MINUTE_MS)
    expect(await world.bootStore.openBoots()).toMatchObject([{ producer: 'host.BOOT1' }])
    world.setQueue('up')
    await world.time.advance(2 * MINUTE_MS)
    expect(await world.bootStore.openBoots()).toEqual([])
    expect(await world.bootStore.closedBoots()).toMatchObject([{ producer: 'host.BOOT1', lastNumber: 1 }])
    expect(world.counted()).toEqual({ 'key-a': 1 })
  })

  test('is closed when another process empties its orphaned file', async () => {
    const orphan = memorySpool()
    const world = spoolWorld({ orphaned: [orphan], spool: memorySpool() })
    orphan.usage.markOpen('host.GONE')
    orphan.usage.append('host.GONE', [sampleUse()])
    await world.bootStore.boots.report({
      ...{ producer: 'host.GONE', openedAt: world.time.clock.now(), reportedAt: world.time.clock.now() },
      ...{ lastNumber: 0, waitingMessages: 1, waitingBytes: 9 },
    })
    startProcess(world)
    await world.time.advance(1000)
    expect(await world.bootStore.openBoots()).toEqual([])
    expect(await world.bootStore.closedBoots()).toMatchObject([{ producer: 'host.GONE', lastNumber: 1 }])
  })

  test('is closed at an orderly end, and only if its disk is empty', async () => {
    for (const state of ['up', 'down'] as const) {
      const world = spoolWorld()
      world.setQueue(state)
      const local = startProcess(world)
      await local.recorder.record(sampleUse())
      await world.time.advance(2000)
      await local.stop()
      expect(await world.bootStore.openBoots()).toHaveLength(state === 'up' ? 0 : 1)
    }
  })

  test('makes no answer fail, and is told again, while the tables do not answer', async () => {
    const world = spoolWorld()
    world.bootStore.isDown = true
    world.setQueue('down')
    const { recorder } = startProcess(world)
    expect(await outcomeOf(recorder.record(sampleUse()))).toBe('resolved')
    world.bootStore.isDown = false
    await world.time.advance(1000)
    expect(await world.bootStore.openBoots()).toHaveLength(1)
  })
})

describe('a boot with USAGE_DURABILITY=queue', () => {
  test('is in no report while the queue answers: an unclosed one has lost nothing', async () => {
    const world = spoolWorld()
    const { recorder, spool } = world.bootQueueFirst()
    spool.start()
    await recorder.record(sampleUse())
    expect(world.bootStore.calls).toBe(0)
  })

  test('opens before the first degraded answer, and closes after the outage', async () => {
    const world = spoolWorld()
    const { recorder, spool } = world.bootQueueFirst()
    spool.start()
    world.setQueue('down')
    expect(await recorder.record(sampleUse())).toBe('degraded')
    expect(await world.bootStore.openBoots()).toMatchObject([{ waitingMessages: 1 }])
    world.setQueue('up')
    await world.time.advance(2 * MINUTE_MS)
    expect(await world.bootStore.openBoots()).toEqual([])
  })
})
