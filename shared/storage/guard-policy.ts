import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import type { Guard } from './guard.ts'
import { judgeReply } from './sort-outcome.ts'

/**
 * Lets every request of an SDK's client through `guard`, the SDK's own retries being off. It belongs behind signing
 * (`position: 'perRetry'`): a token that takes its time is not the store's fault. The signal covers the reply's body too,
 * where the SDK's own timeout ends with the headers.
 */
export function guardPolicy(guard: Guard): PipelinePolicy {
  return {
    name: 'guard',
    sendRequest: (request, next) =>
      guard.run(async (signal) => {
        request.abortSignal = signal
        try {
          return await next(request)
        } finally {
          delete request.abortSignal
        }
      }, judgeReply),
  }
}
