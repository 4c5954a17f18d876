import { createHttpHeaders, type PipelineRequest, type PipelineResponse } from '@azure/core-rest-pipeline'
import type { TableClient } from '@azure/data-tables'
import { seededRandom } from '../samples/random.ts'
import { shuffleQueries } from './shuffling-tables.ts'

const THROTTLED_SHARE = 0.1
const BODY_BYTES_MAX = 2 * 1000 * 1000
const ROW_KEY_BYTES_MAX = 255
const CHARGE = 7.25

/**
 * Makes Table Storage behave like Cosmos DB for Table where the two differ: queries return rows in no order, a tenth of
 * the requests is throttled with 429, bodies end at 2 MB and row keys at 255 bytes, PATCH is refused, and replies carry
 * their request charge. A request is throttled at most once. `seen` counts throttled, refused and served requests.
 */
export function cosmosLike(seed: number) {
  const random = seededRandom(seed)
  const throttled = new Set<string>()
  const seen = { throttled: 0, refused: 0, served: 0 }

  function refusalOf(request: PipelineRequest): PipelineResponse | undefined {
    if (!throttled.has(request.requestId) && random() < THROTTLED_SHARE) {
      throttled.add(request.requestId)
      seen.throttled++
      return reply(request, 429, { 'x-ms-retry-after-ms': '5' })
    }
    const status = refusalStatusOf(request)
    if (status === undefined) return
    seen.refused++
    return reply(request, status)
  }

  return {
    seen,
    wrapClient(client: TableClient): TableClient {
      client.pipeline.addPolicy(
        {
          name: 'cosmosLike',
          async sendRequest(request, next) {
            const refusal = refusalOf(request)
            if (refusal !== undefined) return refusal
            seen.served++
            const response = await next(request)
            response.headers.set('x-ms-request-charge', String(CHARGE))
            return response
          },
        },
        { afterPhase: 'Sign' },
      )
      return shuffleQueries(client)
    },
  }
}

function refusalStatusOf({ method, url, body }: PipelineRequest): number | undefined {
  const text = typeof body === 'string' ? body : ''
  if (method === 'PATCH' || text.includes('\nPATCH ')) return 405
  if (Buffer.byteLength(text) > BODY_BYTES_MAX) return 413
  const inPath = [...decodeURIComponent(url).matchAll(/RowKey='((?:[^']|'')*)'/g)].map(([, key = '']) => key)
  const inBody = [...text.matchAll(/"RowKey":("(?:[^"\\]|\\.)*")/g)].map(([, key = '']) => String(JSON.parse(key)))
  return [...inPath, ...inBody].some((key) => Buffer.byteLength(key) > ROW_KEY_BYTES_MAX) ? 400 : undefined
}

function reply(request: PipelineRequest, status: number, headers: Record<string, string> = {}): PipelineResponse {
  const bodyAsText = JSON.stringify({ 'odata.error': { code: 'Refused', message: { value: 'as Cosmos DB does' } } })
  return { request, status, headers: createHttpHeaders({ 'content-type': 'application/json', ...headers }), bodyAsText }
}
