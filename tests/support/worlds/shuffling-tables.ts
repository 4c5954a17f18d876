import { createHash } from 'node:crypto'
import type { TableClient, TableEntityResult, TableEntityResultPage } from '@azure/data-tables'

type Listing = Parameters<TableClient['listEntities']>[0]
type PageSettings = { continuationToken?: string; maxPageSize?: number }
const BEGIN = 'begin'

type Entity = TableEntityResult<Record<string, unknown>>

/**
 * A client whose queries answer as Cosmos DB for Table may: in an order unrelated to the keys, within and across pages,
 * starting with an empty page that has a continuation token. Rows that appear or disappear between two pages move no
 * other row.
 */
export function shuffleQueries(client: TableClient): TableClient {
  return new Proxy(client, {
    get(target, property) {
      if (property === 'listEntities') {
        return (options: Listing) => ({ byPage: (settings: PageSettings) => pages(target, options, settings) })
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function* pages(
  client: TableClient,
  options: Listing,
  { continuationToken, maxPageSize = 1000 }: PageSettings,
): AsyncGenerator<TableEntityResultPage<Record<string, unknown>>> {
  const entities: Entity[] = []
  for await (const entity of client.listEntities(options)) entities.push(entity)
  const shuffled = entities.sort((left, right) => (placeOf(left) < placeOf(right) ? -1 : 1))
  if (continuationToken === undefined && shuffled.length > 0) yield Object.assign([], { continuationToken: BEGIN })
  const after = continuationToken === undefined || continuationToken === BEGIN ? '' : continuationToken
  const rest = shuffled.filter((entity) => placeOf(entity) > after)
  for (let start = 0; start < rest.length || start === 0; start += maxPageSize) {
    const page = rest.slice(start, start + maxPageSize)
    const last = page.at(-1)
    const more = start + maxPageSize < rest.length
    yield Object.assign(page, more && last ? { continuationToken: placeOf(last) } : {})
  }
}

function placeOf({ partitionKey, rowKey }: Entity): string {
  return createHash('sha256').update(`${partitionKey}\n${rowKey}`).digest('hex')
}
