import type { PoisonReason } from '../domain/usage/poison.ts'
import type { Page, PageRequest, Versioned } from './store.ts'

/** A usage message that could not be counted, as a whole, with the reason. */
export interface PoisonedMessage {
  /** The batch id of the message, or `unreadable.<digest>` of a body that is no usage message. */
  readonly id: string
  readonly reason: PoisonReason
  /** Says more, without quoting the body. At most 200 characters. */
  readonly detail: string
  readonly setAsideAt: Date
  readonly body: string
}

/** Usage messages that wait for an operator. None is ever dropped. */
export interface PoisonStore {
  /** Replaces an earlier message of the same id. */
  put(message: PoisonedMessage): Promise<void>
  /** Replaces the message at `version`. `stale`: it was replayed, or set aside again, since. */
  replace(message: PoisonedMessage, version: string): Promise<'replaced' | 'stale'>
  find(id: string): Promise<Versioned<PoisonedMessage> | undefined>
  /** In any order. */
  page(request: PageRequest): Promise<Page<Versioned<PoisonedMessage>>>
  /** `stale`: the message was set aside again since, and stays. */
  remove(id: string, version: string): Promise<'removed' | 'stale'>
}
