import { RestError, type TableClient } from '@azure/data-tables'

/** A request on the wire; `url` is decoded. */
export interface WireRequest {
  readonly method: string
  readonly url: string
}

/**
 * A client that loses the first reply to each request that `loses` picks, after the store has executed the request: the
 * guard then retries the request, as over a bad network.
 */
export function loseReplies(client: TableClient, loses: (request: WireRequest) => boolean): TableClient {
  const lost = new Set<string>()
  client.pipeline.addPolicy(
    {
      name: 'loseReplies',
      sendRequest: async (request, next) => {
        const response = await next(request)
        if (lost.has(request.requestId) || !loses({ method: request.method, url: decodeURIComponent(request.url) })) {
          return response
        }
        lost.add(request.requestId)
        throw new RestError('socket hang up', { code: 'ECONNRESET', request })
      },
    },
    { afterPhase: 'Sign' },
  )
  return client
}
