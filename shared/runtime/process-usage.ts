import type { ProcessUsage } from '../ports/meter.ts'

/** The resources that this process uses. */
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
