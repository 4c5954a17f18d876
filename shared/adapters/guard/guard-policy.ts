import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { classifyReply } from './classify-outcome.ts'
import type { Guard } from './guard.ts'
import { estimateUnits, type RequestUnits, readCharge } from './request-units.ts'

/**
 * Lets every request of an SDK's client through `guard`, the SDK's own retries being off, and pays for it where that
 * costs request units. It belongs behind signing (`position: 'perRetry'`): a token that takes its time is not the store's
 * fault. The signal covers the reply's body too, where the SDK's own timeout ends with the headers.
 */
export function guardPolicy(guard: Guard, units?: RequestUnits): PipelinePolicy {
  return {
    name: 'guard',
    sendRequest(request, next) {
      const estimated = units === undefined ? 0 : estimateUnits(request)
      const ask = async (signal: AbortSignal) => {
        request.abortSignal = signal
        try {
          const response = await next(request)
          units?.settle(estimated, readCharge(response) ?? estimated)
          return response
        } finally {
          delete request.abortSignal
        }
      }
      return guard.run(ask, classifyReply, units && ((leftMs) => units.spend(estimated, leftMs)))
    },
  }
}
