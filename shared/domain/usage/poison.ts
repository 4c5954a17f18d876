/**
 * Why a usage message is set aside. `refused`: the store refuses uses of it for what is in them. `unreadable`: it is no
 * usage message. `delivered_too_often`: counting it failed, or ended its process, again and again.
 */
export const poisonReasons = ['refused', 'unreadable', 'delivered_too_often'] as const

export type PoisonReason = (typeof poisonReasons)[number]

const DETAIL_CHARS_MAX = 200

/** The detail as it is stored. */
export function poisonDetail(text: string): string {
  return text.slice(0, DETAIL_CHARS_MAX)
}
