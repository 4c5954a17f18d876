import type { ProcessUsage } from '../ports/meter.ts'

/** What this very process takes of its machine. */
export function processUsage(): ProcessUsage {
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
