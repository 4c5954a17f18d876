import { clientNetwork } from '../../domain/access/ip-address.ts'
import { AppError } from '../../domain/errors.ts'
import type { Limit, Taking } from '../../domain/limits/limit.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Clock, Log, Scheduler } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import { lookupQueue } from './lookup-queue.ts'

/** Limits failed attempts per caller and client, without locking out callers with good keys. */
export interface FailureLimits {
  /** The failure budgets of a validation: the caller's, and that of the client address the caller names. */
  validation(callerId: string, clientIp: string | null): readonly Limit[]
  /** The failure budget of a request that presents a credential. */
  authentication(clientIp: string | null): readonly Limit[]
  /** Fast path: false while no failure budget is exhausted, which is nearly always. */
  areAnySpent(): boolean
  /** Whether this instance found one of these budgets exhausted. Makes no request. */
  areSpent(budgets: readonly Limit[]): boolean
  /**
   * Slows lookups of unknown keys down, one list of budgets for each lookup. Returns undefined where no budget is
   * exhausted; else a promise that resolves within 1 s, when the lookups may begin. Throws `too_many_failures`, for all
   * of them, where a queue is full.
   */
  admit(lookups: readonly (readonly Limit[])[]): Promise<void> | undefined
  /** Takes one failure from each of these budgets, in the background. Never throws. */
  count(budgets: readonly Limit[]): void
}

/** Failures per minute. */
export interface FailureBudgets {
  readonly perCaller: number
  readonly perAddress: number
}

interface FailureLimitsNeeds {
  readonly limiter: Limiter
  /** Keyed hash of an address. */
  readonly hashIp: (address: string) => string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
}

const SPENT_MAX = 10_000
const window = { kind: 'sliding', seconds: 60 } as const
/** Lookups per second of one exhausted budget on this instance. */
const SLOWED_PER_SECOND = { caller: 50, client_ip: 10 }
const counted = { window, inOutage: 'allowance' } as const

export function failureLimits(
  { limiter, hashIp, clock, scheduler, log }: FailureLimitsNeeds,
  { perCaller, perAddress }: FailureBudgets = { perCaller: 600, perAddress: 60 },
): FailureLimits {
  const warn = throttledWarnings(log, clock)
  const queue = lookupQueue({ clock, scheduler })
  /** When each exhausted budget has tokens again, by subject. */
  const spentUntilMs = new Map<string, number>()

  const byAddress = (subject: string, clientIp: string | null): Limit[] =>
    clientIp === null
      ? []
      : [{ subject: `${subject}:${hashIp(clientNetwork(clientIp))}`, name: 'client_ip', limit: perAddress, ...counted }]

  function recordRefusal(taking: Taking): void {
    if (taking.kind === 'taken') return
    const { subject, name } = taking.by.limit
    spentUntilMs.delete(subject)
    spentUntilMs.set(subject, clock.monotonicMs() + taking.retryAfterMs)
    const [oldest] = spentUntilMs.keys()
    if (spentUntilMs.size > SPENT_MAX && oldest !== undefined) spentUntilMs.delete(oldest)
    warn('Somebody fails too often: look-ups of unknown keys are slowed down.', { subject, budget: name })
  }

  function isSpent({ subject }: Limit): boolean {
    const untilMs = spentUntilMs.get(subject)
    if (untilMs === undefined) return false
    if (clock.monotonicMs() < untilMs) return true
    spentUntilMs.delete(subject)
    return false
  }

  async function take(budget: Limit): Promise<void> {
    try {
      recordRefusal(await limiter.take([budget], 1))
    } catch (error) {
      warn('A failure could not be counted.', { cause: error instanceof AppError ? error.code : 'unknown' })
    }
  }

  return {
    // The caller claims the address: failures of one caller must not count against the clients of another.
    validation: (callerId, clientIp) => [
      { subject: `failed:${callerId}`, name: 'caller', limit: perCaller, ...counted },
      ...byAddress(`failed:${callerId}`, clientIp),
    ],
    authentication: (clientIp) => byAddress('unauthenticated', clientIp),
    areAnySpent: () => spentUntilMs.size > 0,
    areSpent: (budgets) => budgets.some(isSpent),
    admit(lookups) {
      const spent = lookups.flat().filter(isSpent)
      if (spent.length === 0) return undefined
      const turns = spent.map(({ subject, name }) => ({ subject, perSecond: slowedPerSecond(name) }))
      const admitted = queue.join(turns)
      if (admitted === undefined) throw tooManyFailures(spent)
      return admitted
    },
    count(budgets) {
      for (const budget of budgets) void take(budget)
    },
  }
}

function slowedPerSecond(budget: string): number {
  return budget === 'caller' ? SLOWED_PER_SECOND.caller : SLOWED_PER_SECOND.client_ip
}

/** The error where the queue of lookups of an exhausted failure budget is full. It says nothing about the key. */
export function tooManyFailures(budgets: readonly Limit[]): AppError {
  return new AppError(
    'too_many_failures',
    'Too many unknown keys or credentials were presented lately. Those that are known here go on. Try again later.',
    { retryAfterSeconds: RETRY_AFTER_SECONDS, violatedPolicies: [...new Set(budgets.map(({ name }) => name))] },
  )
}

/** The queue moves on within a second; a retry that comes sooner finds it as full. */
const RETRY_AFTER_SECONDS = 2
