import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { type Limit, recordName } from '../../domain/limits/limit.ts'
import type { JournaledLimit, LimitJournal } from '../../ports/limits.ts'
import { fromRecord, ring, toRecord } from '../tables/limit-ring.ts'
import { inTransaction } from './local-database.ts'

const LIMITS_MAX = 20_000
/** Counting rows scans a whole index: too slow for every write. */
const SAVES_BETWEEN_TRIMS = 60

const TABLE = `
  CREATE TABLE IF NOT EXISTS limit_journal (
    position INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, body TEXT NOT NULL);`

const entry = z.object({
  record: ring.nullable(),
  readAtMs: z.number(),
  division: z.string(),
  spent: z.array(z.tuple([z.int(), z.int()])),
  writers: z.int(),
  peakWriters: z.int(),
})

/** The journal in a local database, opened on first use. Without a database, or with a full disk, it forgets. */
export function sqliteLimitJournal(open: () => DatabaseSync | undefined, limitsMax: number = LIMITS_MAX): LimitJournal {
  let opened: { readonly rows: ReturnType<typeof journalRows> | undefined } | undefined
  let saves = 0

  function rows() {
    if (opened === undefined) {
      const database = open()
      opened = { rows: database && journalRows(database) }
    }
    return opened.rows
  }

  return {
    find: (limit) => quietly(() => rows()?.find(limit)),
    save: (entries) =>
      quietly(() => {
        rows()?.save(entries)
        if (saves++ % SAVES_BETWEEN_TRIMS === 0) rows()?.trim(limitsMax)
      }),
  }
}

/** The statements, each prepared once. */
function journalRows(database: DatabaseSync) {
  database.exec(TABLE)
  const select = database.prepare('SELECT body FROM limit_journal WHERE address = ?')
  // A row that is written again moves to the end.
  const insert = database.prepare('INSERT OR REPLACE INTO limit_journal (address, body) VALUES (?, ?)')
  const count = database.prepare('SELECT count(*) AS count FROM limit_journal')
  const remove = database.prepare(`DELETE FROM limit_journal WHERE position IN (
    SELECT position FROM limit_journal ORDER BY position LIMIT ?)`)
  return {
    find(limit: Limit): JournaledLimit | undefined {
      const row = select.get(addressOf(limit))
      return row && fromText(limit, String(row.body))
    },
    save: (entries: readonly JournaledLimit[]) =>
      inTransaction(database, () => {
        for (const journaled of entries) insert.run(addressOf(journaled.limit), toText(journaled))
      }),
    trim: (limitsMax: number) => remove.run(Math.max(0, Number(count.get()?.count) - limitsMax)),
  }
}

function toText({ record, readAtMs, division, spent, writers, peakWriters }: JournaledLimit): string {
  const known = Number.isFinite(readAtMs) ? readAtMs : 0
  const body: z.output<typeof entry> = {
    ...{ record: record === undefined ? null : fromRecord(record), readAtMs: known, division },
    ...{ spent: [...spent], writers, peakWriters },
  }
  return JSON.stringify(body)
}

function fromText(limit: Limit, text: string): JournaledLimit {
  const { record, spent, ...rest } = entry.parse(JSON.parse(text))
  return { ...rest, limit, record: record === null ? undefined : toRecord(record), spent: new Map(spent) }
}

function addressOf(limit: Limit): string {
  return `${limit.subject}|${recordName(limit)}|${limit.holder ?? ''}`
}

/** A row of another version of this service, a damaged one or a full disk: the instance knows as much as a new one. */
function quietly<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
