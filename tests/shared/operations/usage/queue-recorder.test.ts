import { describe, expect, test } from 'vitest'
import { countOf } from '../../../../shared/domain/usage/counters.ts'
import { rest } from '../../../support/memory/manual-time.ts'
import { readMetric } from '../../../support/requests/read-metric.ts'
import { outcomeOf, recorderUnderTest } from '../../../support/worlds/recorder-under-test.ts'

describe('a strict recorder', () => {
  test('measures recorded and refused uses, and sent and failed messages', async () => {
    const { recorder, metrics, sent, time, use } = recorderUnderTest({ bytesMax: 1 })
    const recorded = recorder.record(use({ count: 4 }))
    expect(await outcomeOf(recorder.record(use({ keyId: 'b', count: 5 })))).toBe('usage_unavailable')
    sent(0).fail()
    await time.advance(1000)
    sent(1).acknowledge()
    await recorded
    const measured = (name: string, result: string) => readMetric(metrics, name, `result="${result}"`)
    expect(await measured('auth_api_usage_events_total', 'recorded')).toEqual([4])
    expect(await measured('auth_api_usage_events_total', 'refused')).toEqual([5])
    expect(await measured('auth_api_usage_messages_total', 'failed')).toEqual([1])
    expect(await measured('auth_api_usage_messages_total', 'sent')).toEqual([1])
  })

  test('resolves a use only after the queue acknowledged the message that carries it', async () => {
    const { recorder, sent, use } = recorderUnderTest()
    const first = recorder.record(use())
    await rest()
    const second = recorder.record(use({ keyId: 'key-b' }))
    expect([await outcomeOf(first), await outcomeOf(second)]).toEqual(['waiting', 'waiting'])
    sent(1).acknowledge()
    expect([await outcomeOf(first), await outcomeOf(second)]).toEqual(['waiting', 'resolved'])
    sent(0).acknowledge()
    expect(await outcomeOf(first)).toBe('resolved')
  })

  test('sends without a pause, at most two messages in flight, and folds later uses into the next', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest()
    for (const keyId of ['a', 'b', 'c', 'd', 'c']) {
      void recorder.record(use({ keyId }))
      await rest()
    }
    expect(sends.map(({ batch }) => batch.deltas.map((delta) => delta.keyId))).toEqual([['a'], ['b']])
    sent(0).acknowledge()
    await rest()
    expect(sent(2).batch.deltas.map((delta) => [delta.keyId, delta.count])).toEqual([
      ['c', 2],
      ['d', 1],
    ])
  })

  test('gathers later uses while a large message is in flight, and sends them in one', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest()
    for (let key = 0; key < 50; key++) void recorder.record(use({ keyId: `first-${key}` }))
    await rest()
    for (let turn = 0; turn < 50; turn++) {
      void recorder.record(use({ keyId: `later-${turn}` }))
      await rest()
    }
    expect(sends).toHaveLength(1)
    sent(0).acknowledge()
    await rest()
    expect(sent(1).batch.deltas).toHaveLength(50)
  })

  test('sends uses recorded in one turn in one message', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest()
    for (let index = 0; index < 100; index++) void recorder.record(use({ keyId: `key-${index % 10}` }))
    await rest()
    expect(sends).toHaveLength(1)
    expect(sent(0).batch.deltas).toHaveLength(10)
    expect(countOf(sent(0).batch.deltas)).toBe(100)
  })

  test('sends an unacknowledged message again: the same body under the same id', async () => {
    const { recorder, sends, sent, use, time } = recorderUnderTest()
    const recorded = recorder.record(use())
    await rest()
    for (let failure = 0; failure < 5; failure++) {
      sent(failure).fail()
      await time.advance(50 * 2 ** failure)
    }
    expect(new Set(sends.map(({ body }) => body)).size).toBe(1)
    sent(5).acknowledge()
    expect(await outcomeOf(recorded)).toBe('resolved')
  })

  test('refuses a caller after 2 s, yet retries: a message that may have arrived is never given up', async () => {
    const { recorder, sends, sent, use, time, warnings } = recorderUnderTest()
    const recorded = recorder.record(use()).catch((error: { code: string }) => error.code)
    for (let failure = 0; failure < 20; failure++) {
      await time.advance(5000)
      sent(failure).fail()
    }
    expect(await recorded).toBe('usage_unavailable')
    expect(new Set(sends.map(({ batch }) => batch.batchId))).toEqual(new Set(['host-1.BOOT.1']))
    expect(warnings.length).toBeGreaterThan(0)
  })

  test('lets a caller who comes after a refusal wait for its own 2 s', async () => {
    const { recorder, use, time, sent } = recorderUnderTest()
    const early = recorder.record(use()).catch(() => 'refused')
    await time.advance(1900)
    const late = recorder.record(use()).catch(() => 'refused')
    await time.advance(200)
    expect(await early).toBe('refused')
    sent(1).acknowledge()
    expect(await late).toBe('recorded')
  })

  test('numbers messages without a gap and reports the watermark of acknowledged numbers', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest()
    const record = async (keyId: string) => {
      void recorder.record(use({ keyId }))
      await rest()
    }
    await record('a')
    await record('b')
    sent(1).acknowledge()
    await record('c')
    sent(0).acknowledge()
    sent(2).acknowledge()
    await record('d')
    expect(sends.map(({ batch }) => [batch.batchId.split('.')[2], batch.ackedBelow])).toEqual([
      ['1', 1],
      ['2', 1],
      ['3', 1],
      ['4', 4],
    ])
  })

  test('holds deltas up to `bytesMax`, refuses more, and recovers', async () => {
    const { recorder, sent, use } = recorderUnderTest({ bytesMax: 1000 })
    const recorded = ['a', 'b', 'c'].map((keyId) => recorder.record(use({ keyId })))
    expect(await outcomeOf(recorder.record(use({ keyId: 'd' })))).toBe('usage_unavailable')
    sent(0).acknowledge()
    await Promise.all(recorded)
    expect(await outcomeOf(recorder.record(use({ keyId: 'd' })))).toBe('waiting')
  })

  test('takes in any number of uses of one key while the queue is down, without growing', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest({ bytesMax: 1000 })
    const all = Array.from({ length: 3 }, async () => {
      const recorded = recorder.record(use())
      await rest()
      return recorded
    })
    await rest()
    const more = Array.from({ length: 10_000 }, () => recorder.record(use()))
    expect(sends).toHaveLength(1)
    sent(0).acknowledge()
    await rest()
    sent(1).acknowledge()
    await Promise.all([...all, ...more])
    expect(countOf(sends.flatMap(({ batch }) => batch.deltas))).toBe(10_003)
  })

  test('splits uses that do not fit into one message, and loses none', async () => {
    const { recorder, sends, sent, use } = recorderUnderTest()
    const recorded = Array.from({ length: 1000 }, (_, index) => recorder.record(use({ keyId: `key-${index}` })))
    for (let index = 0; index < sends.length || index === 0; index++) {
      await rest()
      sent(index).acknowledge()
      await rest()
    }
    await Promise.all(recorded)
    expect(sends.length).toBeGreaterThan(1)
    expect(new Set(sends.flatMap(({ batch }) => batch.deltas.map((delta) => delta.keyId))).size).toBe(1000)
  })

  test('keeps hours, outcomes, endpoints and owners apart, and takes the address of the latest use', async () => {
    const { recorder, sent, use } = recorderUnderTest()
    const earlier = new Date('2026-11-22T15:59:00.000Z')
    const uses = [
      use({ clientIp: '10.0.0.2' }),
      use({ clientIp: '10.0.0.1', at: earlier }),
      use({ outcome: 'REVOKED', statusClass: '4xx' }),
      use({ endpoint: '/x' }),
      use({ ownerId: 'ann' }),
      use({ at: new Date(Date.parse('2026-11-22T16:00:00.000Z') - 1), count: 7, clientIp: '10.0.0.3' }),
    ]
    for (const one of uses) void recorder.record(one)
    await rest()
    expect(sent(0).batch.deltas.map((delta) => [delta.hour, delta.count, delta.lastIpHash])).toEqual([
      ['2026112216', 1, 'hash-of-10.0.0.2'],
      ['2026112215', 8, 'hash-of-10.0.0.3'],
      ['2026112216', 1, null],
      ['2026112216', 1, null],
      ['2026112216', 1, null],
    ])
  })
})

describe('a relaxed recorder', () => {
  test('makes no caller wait, and gathers uses for a second', async () => {
    const { recorder, sends, sent, use, time } = recorderUnderTest({ durability: 'relaxed' })
    expect(await outcomeOf(recorder.record(use()))).toBe('resolved')
    await time.advance(999)
    await recorder.record(use())
    expect(sends).toHaveLength(0)
    await time.advance(1)
    expect(countOf(sent(0).batch.deltas)).toBe(2)
  })

  test('keeps full messages open for the second, so that later uses of their keys fold', async () => {
    const { recorder, sends, sent, use, time } = recorderUnderTest({ durability: 'relaxed' })
    for (let turn = 0; turn < 1000; turn++) await recorder.record(use({ keyId: `key-${turn % 500}` }))
    await rest()
    expect(sends).toHaveLength(0)
    await time.advance(1000)
    expect(sent(0).batch.deltas.every(({ count }) => count === 2)).toBe(true)
  })

  test('sends a full message at once where a quarter of `bytesMax` has gathered', async () => {
    const { recorder, sends, use } = recorderUnderTest({ durability: 'relaxed', bytesMax: 400_000 })
    for (let index = 0; index < 500; index++) await recorder.record(use({ keyId: `key-${index}` }))
    await rest()
    expect(sends).toHaveLength(1)
  })

  test('drops uses beyond `bytesMax`, and counts them', async () => {
    const { recorder, use, warnings, metrics } = recorderUnderTest({ durability: 'relaxed', bytesMax: 1 })
    await recorder.record(use())
    expect(await outcomeOf(recorder.record(use({ keyId: 'b', count: 5 })))).toBe('resolved')
    expect(recorder.dropped()).toBe(5)
    expect(warnings).toEqual([{ dropped: 5 }])
    const measured = (result: string) => readMetric(metrics, 'auth_api_usage_events_total', `result="${result}"`)
    expect([await measured('recorded'), await measured('dropped')]).toEqual([[1], [5]])
  })

  test('flushes at once and resolves when the queue has acknowledged every use', async () => {
    const { recorder, sent, use } = recorderUnderTest({ durability: 'relaxed' })
    await recorder.record(use())
    const flushed = recorder.flush()
    expect(await outcomeOf(flushed)).toBe('waiting')
    sent(0).acknowledge()
    expect(await outcomeOf(flushed)).toBe('resolved')
  })
})
