import { describe, expect, test } from 'vitest'
import { readThroughCache } from '../../../../shared/operations/key-cache/read-through-cache.ts'
import { manualTime, rest } from '../../../support/memory/manual-time.ts'

interface Row {
  readonly id: string
  readonly text: string
}

/** A cache over a store of rows. Each read waits for `answer` and returns the row as it was when the read began. */
function cacheUnderTest(maxEntries = 10) {
  const time = manualTime()
  let revalidatedAtMs = 0
  const cache = readThroughCache<Row>({
    ...{ maxEntries, freshMs: 8000, negativeTtlMs: 5000, maxAgeMs: 900_000, tagOf: ({ id }) => id },
    elapsedMs: time.clock.monotonicMs,
    revalidatedAtMs: () => revalidatedAtMs,
  })
  const rows = new Map<string, Row>()
  const reads: (() => void)[] = []
  const load = (id: string) => () => {
    const row = rows.get(id)
    return new Promise<Row | undefined>((resolve) => reads.push(() => resolve(row)))
  }
  return {
    ...{ time, cache, rows, reads },
    put: (id: string, text: string) => rows.set(id, { id, text }),
    read: (id: string) => cache.peek(id) ?? cache.read(id, load(id)),
    refetch: (id: string) => cache.refetch(id, load(id)),
    answer: (index: number) => reads[index]?.(),
    revalidate: (atMs = time.clock.monotonicMs()) => {
      revalidatedAtMs = atMs
    },
  }
}

describe('a cache', () => {
  test('reads the store once for all concurrent callers', async () => {
    const { put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const all = Array.from({ length: 1000 }, () => read('a'))
    answer(0)
    expect(new Set((await Promise.all(all)).map(({ value }) => value?.text))).toEqual(new Set(['one']))
    expect(reads).toHaveLength(1)
  })

  test('serves a value until it is 8 s old, with its age', async () => {
    const { time, put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const first = read('a')
    answer(0)
    await first
    await time.advance(7999)
    expect(await read('a')).toMatchObject({ value: { text: 'one' }, ageMs: 7999 })
    expect(reads).toHaveLength(1)
    await time.advance(1)
    void read('a')
    expect(reads).toHaveLength(2)
  })

  test('counts the age from the start of the read, however slow the store is', async () => {
    const { time, put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const first = read('a')
    await time.advance(3000)
    answer(0)
    expect((await first).ageMs).toBe(3000)
    await time.advance(4999)
    expect((await read('a')).ageMs).toBe(7999)
    await time.advance(1)
    void read('a')
    expect(reads).toHaveLength(2)
  })

  test('caches for 5 s that there is no value', async () => {
    const { time, read, answer, reads } = cacheUnderTest()
    const first = read('a')
    answer(0)
    expect((await first).value).toBeUndefined()
    await time.advance(4999)
    expect((await read('a')).value).toBeUndefined()
    expect(reads).toHaveLength(1)
    await time.advance(1)
    void read('a')
    expect(reads).toHaveLength(2)
  })

  test('caches nothing of a failed read, which fails for every caller that joined it', async () => {
    const { cache } = cacheUnderTest()
    const fail = () => Promise.reject(new Error('down'))
    const results = await Promise.allSettled([cache.read('a', fail), cache.read('a', fail)])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(cache.peek('a')).toBeUndefined()
    expect((await cache.read('a', async () => ({ id: 'a', text: 'up' }))).value?.text).toBe('up')
  })

  test('evicts the least recently used value above its bound', async () => {
    const { cache } = cacheUnderTest(2)
    for (const id of ['a', 'b', 'c']) await cache.read(id, async () => ({ id, text: id }))
    expect(['a', 'b', 'c'].map((id) => cache.peek(id)?.value?.text)).toEqual([undefined, 'b', 'c'])
  })
})

describe('a refetch', () => {
  test('reads the store whatever is cached or in flight, and its result is cached', async () => {
    const { put, read, refetch, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const inFlight = read('a')
    put('a', 'two')
    const refetched = refetch('a')
    expect(reads).toHaveLength(2)
    answer(1)
    expect((await refetched).value?.text).toBe('two')
    answer(0)
    expect((await inFlight).value?.text).toBe('one')
    expect((await read('a')).value?.text).toBe('two')
  })
})

describe('an invalidated value', () => {
  test('is never served, however young it is', async () => {
    const { cache, put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const first = read('a')
    answer(0)
    await first
    put('a', 'two')
    cache.invalidate('a')
    const second = read('a')
    expect(reads).toHaveLength(2)
    answer(1)
    expect((await second).value?.text).toBe('two')
    expect((await read('a')).value?.text).toBe('two')
    expect(reads).toHaveLength(2)
  })

  test('is not served by a read in flight either: its callers get the result of another read', async () => {
    const { cache, put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const before = read('a')
    put('a', 'two')
    cache.invalidate('a')
    const after = read('a')
    answer(0)
    await rest()
    expect(reads).toHaveLength(2)
    answer(1)
    expect((await before).value?.text).toBe('two')
    expect((await after).value?.text).toBe('two')
    expect(cache.peek('a')?.value?.text).toBe('two')
  })

  test('leaves other values fresh', async () => {
    const { cache } = cacheUnderTest()
    await cache.read('a', async () => ({ id: 'a', text: 'one' }))
    cache.invalidate('b')
    expect(cache.peek('a')?.value?.text).toBe('one')
  })
})

describe('a revalidated value', () => {
  test('is as young as its revalidation, until 15 minutes after its read', async () => {
    const { cache, time, put, refetch, answer, revalidate } = cacheUnderTest()
    put('a', 'one')
    const first = refetch('a')
    answer(0)
    await first
    await time.advance(899_000)
    expect(cache.peek('a')).toBeUndefined()
    revalidate()
    expect(cache.peek('a')).toMatchObject({ ageMs: 0 })
    await time.advance(999)
    expect(cache.peek('a')).toMatchObject({ ageMs: 999 })
    await time.advance(1)
    expect(cache.peek('a')).toBeUndefined()
    expect(cache.canRevalidate('a')).toBe(false)
    expect(cache.entry('a')).toMatchObject({ value: { text: 'one' }, ageMs: 1000, isInvalidated: false })
  })

  test('stays invalidated if it was changed', async () => {
    const { cache, time, revalidate } = cacheUnderTest()
    await cache.read('a', async () => ({ id: 'a', text: 'one' }))
    cache.invalidate('a')
    await time.advance(1)
    revalidate()
    expect(cache.peek('a')).toBeUndefined()
    expect(cache.canRevalidate('a')).toBe(false)
    expect(cache.entry('a')?.isInvalidated).toBe(true)
  })

  test('is never a negative entry: a value that was just made would not be seen', async () => {
    const { cache, time, revalidate } = cacheUnderTest()
    await cache.read('a', async () => undefined)
    await time.advance(5000)
    revalidate()
    expect(cache.peek('a')).toBeUndefined()
    expect(cache.canRevalidate('a')).toBe(false)
  })

  test('is required before anything is served, however young its read', async () => {
    const { cache, revalidate } = cacheUnderTest()
    revalidate(-Infinity)
    await cache.read('a', async () => ({ id: 'a', text: 'one' }))
    expect(cache.peek('a')).toBeUndefined()
    expect(cache.canRevalidate('a')).toBe(true)
  })
})

describe('a read that takes as long as the freshness lifetime', () => {
  test('is retried once, and then fails', async () => {
    const { cache, time } = cacheUnderTest()
    let reads = 0
    const slow = async () => {
      reads++
      await time.advance(8000)
      return { id: 'a', text: 'old by now' }
    }
    await expect(cache.read('a', slow)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(reads).toBe(2)
  })

  test('is joined by no caller 2 s after its start or later: the process may have been suspended', async () => {
    const { cache, time, put, read, answer, reads } = cacheUnderTest()
    put('a', 'one')
    const early = read('a')
    await time.advance(1999)
    const joined = read('a')
    await time.advance(1)
    put('a', 'two')
    const late = read('a')
    expect(reads).toHaveLength(2)
    answer(1)
    expect((await late).value?.text).toBe('two')
    answer(0)
    expect((await joined).value?.text).toBe('one')
    await early
    expect(cache.peek('a')?.value?.text).toBe('two')
  })
})

test('more changes than the log holds invalidate every value, and no later read', async () => {
  const { cache } = cacheUnderTest()
  await cache.read('a', async () => ({ id: 'a', text: 'one' }))
  for (let change = 0; change <= 50_000; change++) cache.invalidate(`other ${change}`)
  expect(cache.peek('a')).toBeUndefined()
  await cache.read('a', async () => ({ id: 'a', text: 'two' }))
  expect(cache.peek('a')?.value?.text).toBe('two')
})
