import type { Metrics } from '../../../shared/runtime/metrics.ts'

/** The values of a metric's samples that have all of these labels, such as `code="VALID"`, in the order of the text. */
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
