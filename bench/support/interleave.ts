import { median } from './report.ts'

/** Runs `operations` operations one after the other. */
export type Contestant = (operations: number) => Promise<void> | void

/**
 * Nanoseconds per operation of each contestant: the median over the rounds. Every contestant has one turn per round, so
 * a slow phase of the machine slows all of them. The first round only warms up.
 */
export async function interleave<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  { rounds, operations }: { readonly rounds: number; readonly operations: number },
): Promise<Readonly<Record<Name, number>>> {
  const entries = Object.entries(contestants) as [Name, Contestant][]
  const times = new Map<Name, number[]>(entries.map(([name]) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of entries) {
      const startedAtMs = performance.now()
      await run(operations)
      if (round > 0) times.get(name)?.push(((performance.now() - startedAtMs) * 1e6) / operations)
    }
  }
  return Object.fromEntries(entries.map(([name]) => [name, median(times.get(name) ?? [])])) as Record<Name, number>
}
