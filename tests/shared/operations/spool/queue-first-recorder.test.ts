import { describe, expect, test } from 'vitest'
import { sampleUse } from '../../../support/contracts/spool-contract.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { memorySpool } from '../../../support/memory/memory-spool.ts'
import { outcomeOf } from '../../../support/worlds/recorder-under-test.ts'
import { spoolWorld } from '../../../support/worlds/spool-world.ts'

describe('a recorder of USAGE_DURABILITY=queue', () => {
  test('resolves a use once the queue has it, and writes nothing to the disk', async () => {
    const { bootQueueFirst, spool, counted } = spoolWorld()
    const { recorder } = bootQueueFirst()
    expect(await recorder.record(sampleUse())).toBe('recorded')
    expect(counted()).toEqual({ 'key-a': 1 })
    expect([spool.usage.loose(), spool.usage.oldest(1)]).toEqual([[], []])
  })

  test('resolves uses as degraded from the disk while the queue does not answer, and counts each once after it', async () => {
    const { bootQueueFirst, counted, setQueue, time, spool } = spoolWorld()
    const { recorder } = bootQueueFirst()
    setQueue('down')
    const first = recorder.record(sampleUse({ keyId: 'first' }))
    expect(await first).toBe('degraded')
    expect(spool.usage.oldest(9)).toMatchObject([{ producer: 'host.DIRECT1', number: 1 }])
    for (let use = 0; use < 20; use++) {
      expect(await recorder.record(sampleUse({ keyId: 'later' }))).toBe('degraded')
      await time.advance(1000)
    }
    expect(counted()).toEqual({})
    setQueue('up')
    await time.advance(10_000)
    expect(counted()).toEqual({ first: 1, later: 20 })
    expect(await recorder.record(sampleUse())).toBe('recorded')
  })

  test('counts a use once when the message arrived and only its acknowledgement was lost', async () => {
    const { bootQueueFirst, counted, setQueue, time, sent } = spoolWorld()
    const { recorder } = bootQueueFirst()
    setQueue('lost')
    expect(await recorder.record(sampleUse())).toBe('degraded')
    setQueue('up')
    await time.advance(10_000)
    expect(sent.length).toBeGreaterThan(1)
    expect(counted()).toEqual({ 'key-a': 1 })
  })

  test('leaves a kept message to the next process that opens the file, without a gap in its sequence', async () => {
    const { bootQueueFirst, boot, counted, setQueue, time, gaps, batches } = spoolWorld()
    const { recorder } = bootQueueFirst()
    await recorder.record(sampleUse({ keyId: 'before' }))
    setQueue('down')
    expect(await recorder.record(sampleUse({ keyId: 'in-outage' }))).toBe('degraded')
    setQueue('up')
    boot().start()
    await time.advance(10_000)
    expect(counted()).toEqual({ before: 1, 'in-outage': 1 })
    expect(batches().map(({ batchId }) => batchId)).toEqual(['host.DIRECT1.1', 'host.DIRECT1.2'])
    expect(gaps()).toEqual([])
  })

  test('never reports a message that waits on the disk as acknowledged', async () => {
    const { bootQueueFirst, setQueue, batches, gaps } = spoolWorld()
    const { recorder, spool } = bootQueueFirst()
    setQueue('down')
    await recorder.record(sampleUse())
    setQueue('up')
    spool.opened()?.drain.observe('answered')
    await recorder.record(sampleUse())
    expect(batches().at(-1)).toMatchObject({ batchId: 'host.DIRECT1.2', ackedBelow: 1 })
    expect(gaps()).toEqual([])
  })

  test('waits for the queue, and refuses after 2 s, where there is no disk', async () => {
    const { bootQueueFirst, setQueue, time } = spoolWorld()
    const { recorder } = bootQueueFirst({ open: () => undefined })
    setQueue('down')
    const refused = recorder.record(sampleUse()).catch((error: { code: string }) => error.code)
    await time.advance(2000)
    expect(await refused).toBe('usage_unavailable')
    setQueue('up')
    await time.advance(5000)
    expect(await recorder.record(sampleUse())).toBe('recorded')
  })

  test('refuses uses while the queue is down and the spool is full, and takes uses again once the queue answers', async () => {
    const { bootQueueFirst, setQueue, time, counted } = spoolWorld({ spool: memorySpool(10) })
    const { recorder } = bootQueueFirst()
    setQueue('down')
    expect(await recorder.record(sampleUse({ keyId: 'first' }))).toBe('degraded')
    expect(await outcomeOf(recorder.record(sampleUse({ keyId: 'refused' })))).toBe('usage_unavailable')
    setQueue('up')
    await time.advance(10_000)
    expect(await recorder.record(sampleUse({ keyId: 'later' }))).toBe('recorded')
    expect(counted()).toEqual({ first: 1, later: 1 })
  })

  test('does not take a request that this process refused to send for an outage', async () => {
    const { bootQueueFirst, setQueue, time, spool } = spoolWorld()
    const { recorder } = bootQueueFirst()
    setQueue('rejected')
    const recorded = recorder.record(sampleUse())
    await time.advance(100)
    expect(await outcomeOf(recorded)).toBe('waiting')
    expect(spool.usage.oldest(1)).toEqual([])
    setQueue('up')
    await time.advance(1000)
    await rest()
    expect(await recorded).toBe('recorded')
  })
})
