import type { UsageBatch } from '../../domain/usage/usage.ts'
import type { PoisonedMessage, PoisonStore } from '../../ports/poison.ts'
import type { Page, PageRequest } from '../../ports/store.ts'
import type { UsageCodec } from '../../ports/usage.ts'

interface ListPoisonNeeds {
  readonly poisoned: Pick<PoisonStore, 'page'>
  readonly codec: Pick<UsageCodec, 'parse' | 'raiseRedrives'>
}

/** A message that is set aside; `content` is null where its body is no usage message. */
export interface ListedPoison {
  readonly message: PoisonedMessage
  readonly content: { readonly batch: UsageBatch; readonly redrives: number } | null
}

/** A page of the messages that are set aside, in any order. */
export async function listPoison(
  { poisoned, codec }: ListPoisonNeeds,
  request: PageRequest,
): Promise<Page<ListedPoison>> {
  const { items, next } = await poisoned.page(request)
  return { items: items.map(({ value }) => ({ message: value, content: contentOf(codec, value.body) })), next }
}

function contentOf({ parse, raiseRedrives }: ListPoisonNeeds['codec'], body: string): ListedPoison['content'] {
  const raised = raiseRedrives(body)
  return raised === undefined ? null : { batch: parse(body), redrives: raised.redrives - 1 }
}
