import type { OneProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import { EVENT_ID_DAYS } from '../../domain/usage/push.ts'
import { DAY_MS } from '../../domain/usage/range.ts'
import type { EventIds, HeldId, IdOwner, NewestAttempt, PushAttempt, PushStore } from '../../ports/usage-reports.ts'

interface ClaimEventIdsNeeds {
  readonly eventIds: EventIds
  readonly pushes: Pick<PushStore, 'newestAttempt' | 'bar'>
}

/** `counted`: the attempt is accepted. `dead`: it can never be accepted. */
type Fate = 'counted' | 'dead'

const ROUNDS_MAX = 5
const BARS_MAX = 5
/** No push takes as long: an attempt that is still open then has died. */
const ATTEMPT_MS_MAX = 5 * 60_000

/**
 * Claims the ids of events for an attempt that has begun, and returns those that an accepted attempt has. A claim of an
 * attempt that can never be accepted is taken over. Of two open attempts that want one id the older goes on: it bars the
 * younger, which begins again and finds the id counted. Throws `usage_unavailable` while an older attempt is open.
 */
export async function claimEventIds(
  { eventIds, pushes }: ClaimEventIdsNeeds,
  scope: OneProvider,
  ids: readonly string[],
  attempt: PushAttempt,
): Promise<ReadonlySet<string>> {
  const counted = new Set<string>()
  const fates = new Map<string, Promise<Fate>>()
  const owner = ownerOf(attempt)

  const fateOf = ({ owner: holder }: HeldId): Promise<Fate> => {
    if (holder.expiresAt <= attempt.startedAt) return Promise.resolve('dead')
    const name = `${holder.batchId}|${holder.attempt}`
    const fate = fates.get(name) ?? decideFate(pushes, scope, holder, attempt)
    fates.set(name, fate)
    return fate
  }

  let wanted = ids
  let over: readonly HeldId[] = []
  for (let round = 0; wanted.length > 0; round++) {
    if (round === ROUNDS_MAX) throw underWay()
    const held = await eventIds.claim(scope, wanted, owner, over)
    const free: HeldId[] = []
    for (const one of held) {
      if ((await fateOf(one)) === 'dead') free.push(one)
      else counted.add(one.id)
    }
    over = free
    wanted = free.map(({ id }) => id)
  }
  return counted
}

function ownerOf({ batchId, attempt, startedAt }: PushAttempt): IdOwner {
  return { batchId, attempt, expiresAt: new Date(startedAt.getTime() + EVENT_ID_DAYS * DAY_MS) }
}

/** An attempt can be accepted only while it is the newest one at its batch, and open. */
async function decideFate(
  pushes: ClaimEventIdsNeeds['pushes'],
  scope: OneProvider,
  holder: IdOwner,
  mine: PushAttempt,
): Promise<Fate> {
  for (let tries = 0; tries < BARS_MAX; tries++) {
    const newest = await pushes.newestAttempt(scope, holder.batchId)
    if (newest?.attempt !== holder.attempt) return 'dead'
    if (newest.isAccepted) return 'counted'
    if (!yieldsTo(newest, mine)) throw underWay()
    if ((await pushes.bar(scope, newest)) === 'barred') return 'dead'
  }
  throw underWay()
}

function yieldsTo(theirs: NewestAttempt, mine: PushAttempt): boolean {
  const agesMs = mine.startedAt.getTime() - theirs.startedAt.getTime()
  if (agesMs !== 0) return agesMs < 0 || agesMs > ATTEMPT_MS_MAX
  return mine.attempt < theirs.attempt
}

function underWay(): AppError {
  const message = 'Another push with the same event ids is under way. Send the same events again.'
  return new AppError('usage_unavailable', message, { retryAfterSeconds: 1 })
}
