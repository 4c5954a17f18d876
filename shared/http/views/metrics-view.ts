import type { Log } from '../../ports/runtime.ts'
import { describeFailure } from '../../runtime/log.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import type { Answer } from '../endpoint-spec.ts'

/** All that can be read; what cannot is named in the log. */
export async function toMetricsAnswer(metrics: Pick<Metrics, 'read'>, log: Log): Promise<Answer> {
  const { text, contentType, failures } = await metrics.read()
  for (const { name, cause } of failures) {
    log('warn', 'A gauge could not be read.', { gauge: name, cause: describeFailure(cause) })
  }
  return { headers: { 'content-type': contentType }, body: text }
}
