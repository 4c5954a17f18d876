import type { ProcessUse } from '../ports/meter.ts'

/** What this very process takes of its machine. */
export function processUse(): ProcessUse {
  let last = performance.eventLoopUtilization()
  return {
    memoryBytes: () => process.memoryUsage.rss(),
    busyRatio() {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, last)
      last = now
      return utilization
    },
  }
}
