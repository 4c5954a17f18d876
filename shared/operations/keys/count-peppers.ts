import {
  countLive,
  emptyPepperRecord,
  mayContinue,
  needsCount,
  type PepperRecord,
} from '../../domain/keys/pepper-count.ts'
import type { PepperStore } from '../../ports/keys.ts'
import type { Clock } from '../../ports/runtime.ts'

interface CountPeppersNeeds {
  readonly pepperStore: PepperStore
  /** The versions of the peppers in the settings. */
  readonly pepperVersions: readonly string[]
  readonly clock: Clock
}

/** `counted`: complete. `continues`: out of time, and the next run goes on. `not_due`: the last count is young enough. */
type CountOutcome = 'counted' | 'continues' | 'not_due'

/**
 * Counts the live keys by the newest pepper under which each is found: page by page, with flat memory. Begins no page
 * after `seconds`: the position is stored, and the next run goes on from there. Of two runs at once one is discarded.
 */
export async function countPeppers(
  { pepperStore, pepperVersions, clock }: CountPeppersNeeds,
  seconds: number,
): Promise<CountOutcome> {
  const endsAtMs = clock.monotonicMs() + seconds * 1000
  const found = await pepperStore.find()
  const record = found?.value ?? emptyPepperRecord
  const now = clock.now()
  const earlier = mayContinue(record.counting, now) ? record.counting : null
  if (earlier === null && !needsCount(record, pepperVersions.length, now)) return 'not_due'
  const at = earlier?.at ?? now
  const { keys, after } = await countPages(
    (position) => pepperStore.keys(position),
    { keys: earlier?.keys ?? {}, after: earlier?.after ?? null },
    { now, isOver: () => clock.monotonicMs() >= endsAtMs },
  )
  const isComplete = after === null
  const counting = isComplete ? null : { at, keys, after }
  // Instances that started meanwhile moved the row's version: read it again, and keep what they wrote.
  await storeCount(pepperStore, (current) => ({
    ...{ ...current, counting },
    counted: isComplete ? { at, keys } : current.counted,
  }))
  return isComplete ? 'counted' : 'continues'
}

interface Position {
  readonly keys: Readonly<Record<string, number>>
  readonly after: string | null
}

/** Counts at least one page. */
async function countPages(
  page: PepperStore['keys'],
  from: Position,
  { now, isOver }: { readonly now: Date; readonly isOver: () => boolean },
): Promise<Position> {
  let { keys, after } = from
  do {
    const { items, next } = await page(after)
    keys = countLive(keys, items, now)
    after = next
  } while (after !== null && !isOver())
  return { keys, after }
}

type Change = (record: PepperRecord) => PepperRecord

const ATTEMPTS = 5

/** Changes the record by one guarded write; after a lost race reads and changes again. */
export async function storeCount(store: Pick<PepperStore, 'find' | 'put'>, change: Change): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await store.find()
    const record = found?.value ?? emptyPepperRecord
    const changed = change(record)
    if (changed === record) return
    if ((await store.put(changed, found?.version ?? null)) === 'stored') return
  }
}
