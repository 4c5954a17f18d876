import type { PoisonedMessage, PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue } from '../../ports/queue.ts'
import type { Page, PageRequest, Versioned } from '../../ports/store.ts'

interface ReplayPoisonNeeds {
  readonly poisoned: Pick<PoisonStore, 'find' | 'page' | 'remove'>
  readonly queue: Pick<MessageQueue, 'send'>
}

export interface PoisonReplay {
  readonly replayed: readonly string[]
  /** Ids under which no message is set aside. */
  readonly missing: readonly string[]
  /** More messages are set aside: replay again. */
  readonly more: boolean
}

/** The most messages that one call replays. */
const REPLAY_MAX = 100

/**
 * Sends messages that are set aside back to be counted, each under its own batch id: what was counted of it is a
 * duplicate. The message goes to the queue before it leaves the store, so a crash sends it twice and loses nothing. A
 * message that is set aside again meanwhile stays. `ids` null: all, at most 100 in one call.
 */
export async function replayPoison(needs: ReplayPoisonNeeds, ids: readonly string[] | null): Promise<PoisonReplay> {
  const { items, next }: Page<Versioned<PoisonedMessage>> =
    ids === null ? await needs.poisoned.page(firstPage) : { items: await findAll(needs, ids), next: null }
  const replayed: string[] = []
  for (const { value, version } of items) {
    await needs.queue.send(value.body)
    await needs.poisoned.remove(value.id, version)
    replayed.push(value.id)
  }
  return { replayed, missing: (ids ?? []).filter((id) => !replayed.includes(id)), more: next !== null }
}

const firstPage: PageRequest = { limit: REPLAY_MAX, after: null }

async function findAll({ poisoned }: ReplayPoisonNeeds, ids: readonly string[]) {
  const found = await Promise.all([...new Set(ids)].map((id) => poisoned.find(id)))
  return found.filter((message) => message !== undefined)
}
