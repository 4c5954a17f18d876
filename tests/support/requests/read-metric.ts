import type { Metrics } from '../../../shared/runtime/metrics.ts'

/** Returns the values of a metric's samples with all these labels, such as `code="VALID"`, in exposition order. */
export async function readMetric(
  metrics: Pick<Metrics, 'read'>,
  name: string,
  ...labels: readonly string[]
): Promise<readonly number[]> {
  const { text } = await metrics.read()
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  const chosen = lines.filter((line) => labels.every((label) => line.includes(label)))
  return chosen.map((line) => Number(line.split(' ').at(-1)))
}
