import { describe, expect, test } from 'vitest'
import type { Limit } from '../../../shared/domain/limits/limit.ts'
import type { JournaledLimit, LimitJournal } from '../../../shared/ports/limits.ts'

/** The contract of every LimitJournal. */
export function limitJournalContract(name: string, makeJournal: () => LimitJournal): void {
  describe(`${name} as a LimitJournal`, () => {
    test('an entry comes back as it was saved last, and does not exist before', () => {
      const journal = makeJournal()
      expect(journal.find(limit)).toBeUndefined()
      journal.save([entryOf(limit)])
      expect(journal.find(limit)).toEqual(entryOf(limit))
      const later: JournaledLimit = { ...entryOf(limit), record: undefined, spent: new Map(), writers: 1 }
      journal.save([later])
      expect(journal.find(limit)).toEqual(later)
    })

    test('finds a limit under its new name, number and window, and keeps records and holders apart', () => {
      const journal = makeJournal()
      journal.save([entryOf(limit), { ...entryOf({ ...limit, holder: 'other' }), writers: 7 }])
      const edited: Limit = { ...limit, name: 'new', record: 'l', limit: 3, window: { kind: 'fixed', seconds: 5 } }
      expect(journal.find(edited)).toMatchObject({ limit: edited, writers: 2 })
      expect(journal.find({ ...limit, holder: 'other' })?.writers).toBe(7)
      for (const strange of [{ name: 'm' }, { subject: 'key:2' }, { holder: 'third' }])
        expect(journal.find({ ...limit, ...strange })).toBeUndefined()
    })
  })
}

const limit: Limit = { subject: 'key:1', name: 'l', limit: 90, window: { kind: 'sliding', seconds: 60 }, holder: 'k' }

function entryOf(of: Limit): JournaledLimit {
  return {
    limit: of,
    record: {
      ...{ division: 's60000/60', policy: { version: 1_795_363_200_000, limit: 90 } },
      cells: new Map([[1_795_363_200, 3]]),
      writers: new Map([['i1', { write: 2, atMs: 1_795_363_200_000 }]]),
    },
    readAtMs: 1_795_363_200_000,
    division: 's60000/60',
    spent: new Map([
      [1_795_363_201, 4],
      [1_795_363_215, 9],
    ]),
    ...{ writers: 2, peakWriters: 12 },
  }
}
