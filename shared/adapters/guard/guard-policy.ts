import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { classifyReply } from './classify-outcome.ts'
import type { Guard } from './guard.ts'
import { estimateUnits, type RequestUnits, readCharge } from './request-units.ts'

/**
 * Sends every request of an SDK client through `guard`, with the SDK's own retries off, and charges its request units.
 * Belongs after signing (`position: 'perRetry'`): a slow token is not the store's fault. The signal covers the body of the
 * reply too; the SDK's own timeout ends with the headers.
 */
export function guardPolicy(guard: Guard, units?: RequestUnits, turn?: string): PipelinePolicy {
  return {
    name: 'guard',
    sendRequest(request, next) {
      const estimated = units === undefined ? 0 : estimateUnits(request)
      const send = async (signal: AbortSignal) => {
        request.abortSignal = signal
        try {
          const response = await next(request)
          units?.adjust(estimated, readCharge(response) ?? estimated)
          return response
        } finally {
          delete request.abortSignal
        }
      }
      const charge = units && ((leftMs: number) => units.spend(estimated, leftMs))
      return guard.run(send, classifyReply, { charge, turn })
    },
  }
}
