import type { Clock } from '../../ports/runtime.ts'
import type { Sweeper } from '../../ports/store.ts'

/** What one sweeper did. `complete` is false when it ran out of time before the last row. */
export interface SweepReport {
  readonly name: string
  readonly looked: number
  readonly removed: number
  readonly complete: boolean
}

interface SweepNeeds {
  readonly sweepers: Readonly<Record<string, Sweeper>>
  readonly clock: Clock
}

/** Runs every sweeper. Begins no step of a sweeper after `secondsEach`: the next run sweeps the rest. */
export async function sweepStorage({ sweepers, clock }: SweepNeeds, secondsEach: number): Promise<SweepReport[]> {
  const reports: SweepReport[] = []
  for (const [name, sweeper] of Object.entries(sweepers)) {
    reports.push({ name, ...(await sweep(sweeper, clock, secondsEach)) })
  }
  return reports
}

async function sweep(sweeper: Sweeper, clock: Clock, seconds: number): Promise<Omit<SweepReport, 'name'>> {
  const now = clock.now()
  const endsAtMs = clock.monotonicMs() + seconds * 1000
  let [looked, removed] = [0, 0]
  let after: string | null = null
  do {
    const step = await sweeper.step(now, after)
    looked += step.looked
    removed += step.removed
    after = step.next
  } while (after !== null && clock.monotonicMs() < endsAtMs)
  return { looked, removed, complete: after === null }
}
