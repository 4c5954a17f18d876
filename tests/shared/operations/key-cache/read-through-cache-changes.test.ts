import { describe, expect, test } from 'vitest'
import { readThroughCache } from '../../../../shared/operations/key-cache/read-through-cache.ts'

function makeCache() {
  return readThroughCache<{ readonly id: string; readonly text: string }>({
    ...{ maxEntries: 10, freshMs: 8000, negativeTtlMs: 5000, maxAgeMs: 900_000, tagOf: ({ id }) => id },
    elapsedMs: () => 0,
    revalidatedAtMs: () => 0,
  })
}

describe('a value that changes during every read of it', () => {
  test('fails after four reads instead of reading forever, and no invalidated value is served or cached', async () => {
    const cache = makeCache()
    let reads = 0
    const changing = async () => {
      reads++
      cache.invalidate('a')
      // Without a bound this would never end.
      if (reads > 1000) throw new Error('1,000 reads')
      return { id: 'a', text: `version ${reads}` }
    }
    for (const read of [cache.read, cache.refetch]) {
      reads = 0
      await expect(read('a', changing)).rejects.toMatchObject({ code: 'store_unavailable', retryAfterSeconds: 1 })
      expect(reads).toBe(4)
      expect(cache.peek('a')).toBeUndefined()
    }
  })

  test('is served by the first read that no change overtakes', async () => {
    const cache = makeCache()
    let reads = 0
    const settling = async () => {
      reads++
      if (reads < 4) cache.invalidate('a')
      return { id: 'a', text: `version ${reads}` }
    }
    expect((await cache.read('a', settling)).value?.text).toBe('version 4')
  })
})
