import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { sqliteLimitJournal } from '../../../../shared/adapters/sqlite/limit-journal.ts'
import type { Limit } from '../../../../shared/domain/limits/limit.ts'
import { limitJournalContract } from '../../../support/contracts/limit-journal-contract.ts'
import { memoryLimitJournal } from '../../../support/memory/memory-limit-journal.ts'

const limitOf = (subject: string): Limit => ({ subject, name: 'l', limit: 9, window: { kind: 'day' } })
const entryOf = (subject: string) => ({
  ...{ limit: limitOf(subject), record: undefined, readAtMs: 1, division: 'day', spent: new Map(), writers: 0 },
  peakWriters: 3,
})

limitJournalContract('SQLite', () => {
  const disk = new DatabaseSync(':memory:')
  return sqliteLimitJournal(() => disk)
})
limitJournalContract('memory', memoryLimitJournal)

test('what one process saved, the next one on the same file finds', () => {
  const disk = new DatabaseSync(':memory:')
  sqliteLimitJournal(() => disk).save([entryOf('key:1')])
  expect(sqliteLimitJournal(() => disk).find(limitOf('key:1'))).toEqual(entryOf('key:1'))
})

test('a limit that was never read is saved too', () => {
  const journal = sqliteLimitJournal(() => new DatabaseSync(':memory:'))
  journal.save([{ ...entryOf('key:1'), readAtMs: Number.NEGATIVE_INFINITY }])
  expect(journal.find(limitOf('key:1'))?.readAtMs).toBe(0)
})

test('the oldest entries go when there are too many', () => {
  const disk = new DatabaseSync(':memory:')
  const journal = sqliteLimitJournal(() => disk, 2)
  for (let save = 0; save < 61; save++) journal.save([entryOf(`key:${save}`)])
  expect(journal.find(limitOf('key:60'))).toBeDefined()
  expect(disk.prepare('SELECT count(*) AS count FROM limit_journal').get()?.count).toBe(2)
})

test('without a database, and on a damaged row, it knows nothing and throws nothing', () => {
  const none = sqliteLimitJournal(() => undefined)
  none.save([entryOf('key:1')])
  expect(none.find(limitOf('key:1'))).toBeUndefined()
  const disk = new DatabaseSync(':memory:')
  const journal = sqliteLimitJournal(() => disk)
  journal.save([entryOf('key:1')])
  disk.exec("UPDATE limit_journal SET body = 'x'")
  expect(journal.find(limitOf('key:1'))).toBeUndefined()
  disk.close()
  journal.save([entryOf('key:1')])
})
