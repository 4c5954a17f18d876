import pLimit from 'p-limit'
import { oneProvider } from '../../domain/access/provider-scope.ts'
import type { Key } from '../../domain/keys/key.ts'
import { dayName, daysOfMonth, monthAfter, SEAL_AFTER_DAYS } from '../../domain/usage/calendar.ts'
import { type ErasedKey, erasedCounters, erasedDay } from '../../domain/usage/erasure.ts'
import { shardOf } from '../../domain/usage/partition.ts'
import type { DayCounters } from '../../domain/usage/usage.ts'
import type { PoisonedMessage, PoisonStore } from '../../ports/poison.ts'
import type { Clock } from '../../ports/runtime.ts'
import type { Versioned } from '../../ports/store.ts'
import type { ErasureStep, LateUsage, UsageCodec, UsageLedger, UsageMonths } from '../../ports/usage.ts'
import type { PushedMessages, UsageCopies } from '../../ports/usage-reports.ts'

export interface EraseStageNeeds {
  readonly ledger: Pick<UsageLedger, 'eraseCounters'>
  readonly months: Pick<UsageMonths, 'exists'>
  readonly copies: Pick<UsageCopies, 'eraseKey'>
  readonly late: Pick<LateUsage, 'eraseKey'>
  readonly poisoned: Pick<PoisonStore, 'find' | 'page' | 'replace'>
  readonly pushedMessages: PushedMessages
  readonly codec: Pick<UsageCodec, 'erase'>
  readonly clock: Clock
}

interface StageInput {
  readonly key: Key
  readonly erased: ErasedKey
  /** Where the stage goes on; null: at its beginning. */
  readonly after: string | null
}

type Stage = (needs: EraseStageNeeds, input: StageInput) => Promise<ErasureStep>

const DAYS_AT_ONCE = 8
const POISON_PAGE = 50
const POISON_TRIES = 10

/** The stages of a pass, in their order. Each call is one bounded step. */
const stages = {
  counters: eraseMonth,
  copies: eraseCopies,
  late: ({ late }, { erased, after }) => late.eraseKey(erased, after),
  poison: erasePoison,
  pushes: ({ pushedMessages, codec }, { erased, after }) =>
    pushedMessages.erase(oneProvider(erased.providerId), (message) => codec.erase(message, erased), after),
} as const satisfies Record<string, Stage>

export const eraseStages: Readonly<Record<string, Stage | undefined>> = stages
export const stageNames: readonly [string, ...string[]] = Object.keys(stages) as [string, ...string[]]

/**
 * Erases the counters of a month, and goes on with the one after it. A pushed use may be 35 days older than its key, and a
 * clock a little ahead. For the days that uses are being counted in, it marks the key as erased even where it has no
 * counters yet. A management key has no uses.
 */
async function eraseMonth(
  { ledger, months, clock }: EraseStageNeeds,
  { key, erased, after }: StageInput,
): Promise<ErasureStep> {
  if (key.environment === null) return { changed: 0, next: null }
  const now = clock.now()
  const [yesterday, tomorrow] = [dayName(now, 1), dayName(now, -1)]
  const firstDay = dayName(key.createdAt, SEAL_AFTER_DAYS + 1)
  const month = after ?? firstDay.slice(0, 6)
  const exists = await months.exists(month)
  const days = daysOfMonth(month).filter((day) => day <= tomorrow && (day >= yesterday || (exists && day >= firstDay)))
  const { keyId, providerId, ownerId, environment } = key
  const results = await pLimit(DAYS_AT_ONCE).map(days, (day) => {
    const mark = day >= yesterday ? erasedDay({ providerId, keyId, ownerId, environment }, day) : undefined
    const erase = (counters: DayCounters | undefined) => erasedOnce(counters ?? mark, counters, erased)
    return ledger.eraseCounters({ day, shard: shardOf(keyId) }, { providerId, keyId }, erase)
  })
  const changed = results.filter((result) => result === 'erased').length
  return { changed, next: month < tomorrow.slice(0, 6) ? monthAfter(month) : null }
}

/** The counters as erased; undefined where there are none, and where they are erased already. */
function erasedOnce(
  counters: DayCounters | undefined,
  stored: DayCounters | undefined,
  { pseudonymOf }: ErasedKey,
): DayCounters | undefined {
  return counters === undefined || stored?.erased === true ? undefined : erasedCounters(counters, pseudonymOf)
}

async function eraseCopies({ copies }: EraseStageNeeds, { erased }: StageInput): Promise<ErasureStep> {
  return { changed: await copies.eraseKey(oneProvider(erased.providerId), erased), next: null }
}

async function erasePoison(needs: EraseStageNeeds, { erased, after }: StageInput): Promise<ErasureStep> {
  const { items, next } = await needs.poisoned.page({ limit: POISON_PAGE, after })
  let changed = 0
  for (const message of items) if (await erasePoisoned(needs, message, erased)) changed++
  return { changed, next }
}

/** A message that is set aside again meanwhile is read again. */
async function erasePoisoned(
  { poisoned, codec }: EraseStageNeeds,
  message: Versioned<PoisonedMessage>,
  erased: ErasedKey,
): Promise<boolean> {
  let current: Versioned<PoisonedMessage> | undefined = message
  for (let tries = 0; tries < POISON_TRIES && current !== undefined; tries++) {
    const body = codec.erase(current.value.body, erased)
    if (body === undefined) return false
    if ((await poisoned.replace({ ...current.value, body }, current.version)) === 'replaced') return true
    current = await poisoned.find(message.value.id)
  }
  return false
}
