import { expect, test } from 'vitest'
import { readThroughCache } from '../../../../shared/operations/key-cache/read-through-cache.ts'
import { manualTime } from '../../../support/memory/manual-time.ts'

/** A cache over one text. Each read waits for `answer` and returns the text as it was when the read began. */
function cacheUnderTest() {
  const time = manualTime()
  const cache = readThroughCache<string>({
    ...{ maxEntries: 10, freshMs: 8000, negativeTtlMs: 5000, maxAgeMs: 900_000, tagOf: () => 'a' },
    ...{ elapsedMs: time.clock.monotonicMs, revalidatedAtMs: () => 0 },
  })
  const reads: { readonly answer: () => void; readonly fail: () => void }[] = []
  let stored = 'one'
  const refetch = () =>
    cache.refetch('a', () => {
      const text = stored
      return new Promise((resolve, reject) => {
        reads.push({ answer: () => resolve(text), fail: () => reject(new Error('No reply.')) })
      })
    })
  const put = (text: string) => {
    stored = text
  }
  return { cache, reads, refetch, put }
}

test('refetches of one value share the read after the one in flight, which may be older than they are', async () => {
  const { cache, put, refetch, reads } = cacheUnderTest()
  const first = refetch()
  put('two')
  const later = [refetch(), refetch(), refetch()]
  expect(reads).toHaveLength(1)
  reads[0]?.answer()
  expect((await first).value).toBe('one')
  expect(reads).toHaveLength(2)
  reads[1]?.answer()
  expect((await Promise.all(later)).map(({ value }) => value)).toEqual(['two', 'two', 'two'])
  const last = refetch()
  expect(reads).toHaveLength(3)
  reads[2]?.answer()
  await last
  expect(cache.peek('a')?.value).toBe('two')
})

test('a refetch that fails is the failure of those alone who share it', async () => {
  const { refetch, reads } = cacheUnderTest()
  const first = refetch()
  const next = refetch()
  reads[0]?.fail()
  await expect(first).rejects.toThrow('No reply.')
  reads[1]?.answer()
  expect((await next).value).toBe('one')
})
