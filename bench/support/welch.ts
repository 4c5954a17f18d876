import { seededRandom } from '../../tests/support/samples/random.ts'

/** The timed operation on one secret. */
export type Probe = (secret: string) => unknown

/** Nanoseconds per sample, by class. */
export type Timings<Class extends string> = Readonly<Record<Class, Float64Array>>

/**
 * Times `probe` on secrets of each class, `samples` times each. Every class has one turn per round, in a random order,
 * so that only the class differs.
 */
export async function timeClasses<Class extends string>(
  classes: Readonly<Record<Class, readonly string[]>>,
  probe: Probe,
  { samples, seed }: { readonly samples: number; readonly seed: number },
): Promise<Timings<Class>> {
  const random = seededRandom(seed)
  const names = Object.keys(classes) as Class[]
  const times = Object.fromEntries(names.map((name) => [name, new Float64Array(samples)])) as Record<
    Class,
    Float64Array
  >
  const warmUp = Math.floor(samples / 4)
  for (let round = -warmUp; round < samples; round++) {
    for (const name of shuffled(names, random)) {
      const secret = classes[name][Math.floor(random() * classes[name].length)] ?? ''
      const startedAt = process.hrtime.bigint()
      const result = probe(secret)
      if (result instanceof Promise) await result
      const tookNs = Number(process.hrtime.bigint() - startedAt)
      if (round >= 0) times[name][round] = tookNs
    }
  }
  return times
}

/**
 * Welch's t between two sets of timings, without the slowest tenth of both together: a pause of the garbage collector
 * or of the machine is unrelated to the class, and would hide every other difference.
 */
export function welchT(a: Float64Array, b: Float64Array): number {
  const both = Float64Array.from([...a, ...b]).sort()
  const limit = both[Math.floor(both.length * 0.9)] ?? Number.POSITIVE_INFINITY
  const [orphaned, right] = [momentsOf(a.filter((ns) => ns <= limit)), momentsOf(b.filter((ns) => ns <= limit))]
  return (orphaned.mean - right.mean) / Math.sqrt(orphaned.variance / orphaned.count + right.variance / right.count)
}

/**
 * The paired t between two classes over several worlds, from the difference of their trimmed means in each world. The
 * memory layout of the keys affects the time more than their class does, and varies from world to world.
 */
export function pairedT(a: readonly Float64Array[], b: readonly Float64Array[]): number {
  const differences = a.map((times, world) => trimmedMean(times) - trimmedMean(b[world] ?? times))
  const { mean, variance, count } = momentsOf(Float64Array.from(differences))
  return mean / Math.sqrt(variance / count)
}

function trimmedMean(times: Float64Array): number {
  return momentsOf(times.toSorted().subarray(0, Math.ceil(times.length * 0.9))).mean
}

function momentsOf(values: Float64Array) {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)
  return { count, mean, variance }
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item)
}
