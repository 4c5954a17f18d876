import { everyProvider } from '../../domain/access/provider-scope.ts'
import { AppError } from '../../domain/errors.ts'
import type { Key } from '../../domain/keys/key.ts'
import type { ErasurePass, ErasureStore, PendingErasure } from '../../ports/erasures.ts'
import type { Log } from '../../ports/runtime.ts'
import type { Page, Versioned } from '../../ports/store.ts'
import { type EraseRowNeeds, eraseKeyRow, ownerPseudonyms } from '../keys/erase-key.ts'
import { type EraseStageNeeds, eraseStages, stageNames } from './erase-stages.ts'

export interface EraseUsageNeeds extends EraseRowNeeds, EraseStageNeeds {
  readonly erasures: ErasureStore
  readonly log: Log
}

const PAGE = 100
/**
 * Consumers, roll-ups and other writers of usage data may still write what they read before the erasure. None takes this
 * long, so a pass that begins later finds everything that they wrote.
 */
const SETTLE_MS = 15 * 60_000
const OVERDUE_MS = 24 * 60 * 60_000

export interface EraseUsageReport {
  readonly steps: number
  readonly changed: number
  readonly completed: number
}

/**
 * Erases the usage data of every erased key: its counters, the copies for reports, late batches, messages that are set
 * aside and pushed messages that wait. No count changes. A pass begins at once and, for what was under way, again 15
 * minutes after the request. Each step is bounded, idempotent and followed by a write of the position; begins none after
 * `seconds`. So a run that is cut anywhere is made up for by the next, and two runs at once do no harm.
 */
export async function eraseUsage(needs: EraseUsageNeeds, seconds: number): Promise<EraseUsageReport> {
  const endsAtMs = needs.clock.monotonicMs() + seconds * 1000
  const report = { steps: 0, changed: 0, completed: 0 }
  for await (const { keyId, requestedAt } of pendingErasures(needs.erasures)) {
    warnIfOverdue(needs, keyId, requestedAt)
    for await (const { changed, completed } of stepsOf(needs, keyId, () => needs.clock.monotonicMs() >= endsAtMs)) {
      report.steps++
      report.changed += changed
      if (completed) report.completed++
    }
  }
  return report
}

async function* pendingErasures(erasures: ErasureStore): AsyncGenerator<PendingErasure> {
  for (let after: string | null = null; ; ) {
    const page: Page<PendingErasure> = await erasures.page({ limit: PAGE, after })
    yield* page.items
    if (page.next === null) return
    after = page.next
  }
}

async function* stepsOf(needs: EraseUsageNeeds, keyId: string, isOver: () => boolean) {
  while (!isOver()) {
    const outcome = await takeStep(needs, keyId)
    if (outcome === 'waiting') return
    yield outcome
  }
}

function warnIfOverdue({ clock, log }: EraseUsageNeeds, keyId: string, requestedAt: Date): void {
  if (clock.now().getTime() - requestedAt.getTime() <= OVERDUE_MS) return
  log('error', 'An erasure is not complete after a day.', { keyId, requestedAt: requestedAt.toISOString() })
}

type StepOutcome = 'waiting' | { readonly changed: number; readonly completed: boolean }

/** `waiting`: the erasure is complete, waits for its next pass, or another run has overtaken this one. */
async function takeStep(needs: EraseUsageNeeds, keyId: string): Promise<StepOutcome> {
  const found = await needs.erasures.find(keyId)
  const now = needs.clock.now()
  if (found === undefined || now < found.value.notBefore) return 'waiting'
  const pass = found.value.pass ?? { begunAt: now, stage: stageNames[0], after: null }
  const { changed, next } = await runStage(needs, found.value, pass)
  const moved = next === undefined ? await endPass(needs, found, pass) : await move(needs, found, next)
  return moved === 'overtaken' ? 'waiting' : { changed, completed: moved === 'completed' }
}

/** Runs one step of a stage. `next` undefined: the pass is at its end. */
async function runStage(needs: EraseUsageNeeds, { keyId, providerId }: PendingErasure, pass: ErasurePass) {
  const key = await keyOf(needs, keyId)
  const stage = eraseStages[pass.stage]
  if (key === undefined || stage === undefined) return { changed: 0, next: undefined }
  const erased = { providerId, keyId, pseudonymOf: ownerPseudonyms(needs, providerId) }
  const { changed, next } = await stage(needs, { key, erased, after: pass.after })
  if (next !== null) return { changed, next: { ...pass, after: next } }
  const following = stageNames[stageNames.indexOf(pass.stage) + 1]
  return { changed, next: following === undefined ? undefined : { ...pass, stage: following, after: null } }
}

/** The erased key. Erases its row first where a crash came before. Undefined where there is no such key. */
async function keyOf(needs: EraseUsageNeeds, keyId: string): Promise<Key | undefined> {
  const found = (await needs.keys.findById(everyProvider, keyId))?.value
  if (found === undefined || found.erasedAt !== undefined) return found
  try {
    return await eraseKeyRow(needs, everyProvider, keyId)
  } catch (error) {
    if (error instanceof AppError && error.code === 'key_not_found') return undefined
    throw error
  }
}

async function move({ erasures }: EraseUsageNeeds, { value, version }: Versioned<PendingErasure>, pass: ErasurePass) {
  const result = await erasures.replace({ ...value, pass }, version)
  return result === 'replaced' ? ('moved' as const) : ('overtaken' as const)
}

async function endPass(
  { erasures, log }: EraseUsageNeeds,
  { value, version }: Versioned<PendingErasure>,
  { begunAt }: ErasurePass,
): Promise<'moved' | 'completed' | 'overtaken'> {
  const settledAt = new Date(value.requestedAt.getTime() + SETTLE_MS)
  if (begunAt < settledAt) {
    const result = await erasures.replace({ ...value, notBefore: settledAt, pass: null }, version)
    return result === 'replaced' ? 'moved' : 'overtaken'
  }
  if ((await erasures.remove(value.keyId, version)) === 'stale') return 'overtaken'
  log('info', 'The usage data of an erased key are erased.', { keyId: value.keyId })
  return 'completed'
}
