import { clientNetwork } from '../../domain/access/ip-address.ts'
import { AppError } from '../../domain/errors.ts'
import type { Limit, Taking } from '../../domain/limits/limit.ts'
import type { Limiter } from '../../ports/limits.ts'
import type { Clock, Log } from '../../ports/runtime.ts'
import { throttledWarnings } from '../throttled-warnings.ts'

/** Bounds how often somebody may fail, without locking out anybody who does not. */
export interface FailureLimits {
  /** Who may have failed too often when it presents a key to validate: the caller, and the client that it names. */
  validation(callerId: string, clientIp: string | null): readonly Limit[]
  /** The same for who presents a credential. */
  authentication(clientIp: string | null): readonly Limit[]
  /** Whether any budget at all is spent that this instance knows of: nearly never, and then nobody need be looked at. */
  areAnySpent(): boolean
  /** Whether this instance knows one of these budgets to be spent. Asks nobody. */
  areSpent(budgets: readonly Limit[]): boolean
  /** Takes one failure out of each of these budgets. Nobody waits for it. */
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
  readonly log: Log
}

const SPENT_MAX = 10_000
const window = { kind: 'sliding', seconds: 60 } as const

export function failureLimits(
  { limiter, hashIp, clock, log }: FailureLimitsNeeds,
  { perCaller, perAddress }: FailureBudgets = { perCaller: 600, perAddress: 60 },
): FailureLimits {
  const warn = throttledWarnings(log, clock)
  /** The budgets that were found spent, by subject, and until when. */
  const spentUntilMs = new Map<string, number>()

  const byAddress = (subject: string, clientIp: string | null): Limit[] =>
    clientIp === null
      ? []
      : [{ subject: `${subject}:${hashIp(clientNetwork(clientIp))}`, name: 'client_ip', limit: perAddress, window }]

  function notice(taking: Taking): void {
    if (taking.kind === 'taken') return
    const { subject, name } = taking.by.limit
    if (spentUntilMs.size >= SPENT_MAX) spentUntilMs.clear()
    spentUntilMs.set(subject, clock.monotonicMs() + taking.retryAfterMs)
    warn('Somebody fails too often: only keys that are known here are let through.', { subject, budget: name })
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
      notice(await limiter.take([budget], 1))
    } catch (error) {
      warn('A failure could not be counted.', { cause: error instanceof AppError ? error.code : 'unknown' })
    }
  }

  return {
    // An address is the caller's own word: one caller's failures must not be held against another caller's clients.
    validation: (callerId, clientIp) => [
      { subject: `failed:${callerId}`, name: 'caller', limit: perCaller, window },
      ...byAddress(`failed:${callerId}`, clientIp),
    ],
    authentication: (clientIp) => byAddress('unauthenticated', clientIp),
    areAnySpent: () => spentUntilMs.size > 0,
    areSpent: (budgets) => budgets.some(isSpent),
    count(budgets) {
      for (const budget of budgets) void take(budget)
    },
  }
}

/** Thrown where a budget is spent and what was presented is not known here. */
export function tooManyFailures(budgets: readonly Limit[]): AppError {
  return new AppError(
    'too_many_failures',
    'Too many unknown keys or credentials were presented lately. Those that are known here go on. Try again later.',
    { retryAfterSeconds: window.seconds, violatedPolicies: budgets.map(({ name }) => name) },
  )
}
