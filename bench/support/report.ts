export interface Goal {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly atLeast?: number
  readonly atMost?: number
}

/** Prints `GOAL <name> <value> <unit> <PASS|FAIL>`, followed by the bound. */
export function reportGoal({ name, value, unit, atLeast, atMost }: Goal): void {
  const passes = (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)
  const bounds = [
    ...(atLeast === undefined ? [] : [`goal >= ${atLeast}`]),
    ...(atMost === undefined ? [] : [`goal <= ${atMost}`]),
  ]
  print(`GOAL ${name} ${round(value)} ${unit} ${passes ? 'PASS' : 'FAIL'} (${bounds.join(', ')})`)
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Rounds to three significant digits. Leaves whole numbers unchanged. */
export function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
