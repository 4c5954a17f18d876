import { type CallOptions, callApi, type Reply } from './api-client.ts'

const RETRIES_MAX = 5

/**
 * Calls as a client should: retries a 503 after its `Retry-After`, at most 5 times. `sentMs` is when the answered request
 * was sent, by `performance.now()`. A 503 without `Retry-After` is not retried.
 */
export async function callWithRetries(
  baseUrl: string,
  call: `${string} /${string}`,
  options: CallOptions,
): Promise<{ readonly reply: Reply; readonly sentMs: number }> {
  for (let retry = 0; ; retry++) {
    const sentMs = performance.now()
    const reply = await callApi(baseUrl, call, options)
    const retryAfterSeconds = Number(reply.headers.get('retry-after'))
    if (reply.status !== 503 || retryAfterSeconds === 0 || retry === RETRIES_MAX) return { reply, sentMs }
    await new Promise((resolve) => setTimeout(resolve, retryAfterSeconds * 1000))
  }
}
