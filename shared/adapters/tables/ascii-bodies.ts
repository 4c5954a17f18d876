import type { PipelinePolicy } from '@azure/core-rest-pipeline'

/**
 * Escapes every character of a request's body beyond ASCII as JSON does: `\u2028`. Only JSON texts of the body hold such
 * characters, in a transaction too, so the rows are the same; no parser on the way can take a character for a line end or
 * lose half of a pair. Belongs before signing.
 */
export const asciiBodies: PipelinePolicy = {
  name: 'asciiBodies',
  sendRequest(request, next) {
    if (typeof request.body === 'string') request.body = escapeToAscii(request.body)
    return next(request)
  },
}

/** JSON text in ASCII. Also escapes DEL, which is ASCII and a control character. */
export function escapeToAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
