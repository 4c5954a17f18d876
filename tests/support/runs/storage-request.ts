type Verbs = Readonly<Record<string, string>>

const messageVerbs: Verbs = { POST: 'send', GET: 'receive', DELETE: 'clear' }
const oneMessageVerbs: Verbs = { PUT: 'renew', DELETE: 'delete' }
const queueVerbs: Verbs = { PUT: 'create queue', GET: 'read depth', DELETE: 'delete queue' }
const tableVerbs: Verbs = { POST: 'insert', GET: 'query' }
const rowVerbs: Verbs = { GET: 'point read', PUT: 'replace', PATCH: 'merge', MERGE: 'merge', DELETE: 'delete' }

/** Names a request to Azurite's queue port: `usage-events send`. `url` starts with the account's name. */
export function nameQueueRequest(method: string, url: string): string {
  const [, queue = '', resource, message] = segmentsOf(url)
  const verbs = resource !== 'messages' ? queueVerbs : message === undefined ? messageVerbs : oneMessageVerbs
  return `${queue} ${verbs[method] ?? method}`
}

/** Names a request to Azurite's table port: `keys point read`. A transaction names no table: `$batch`. */
export function nameTableRequest(method: string, url: string): string {
  const [, resource = ''] = segmentsOf(url)
  if (resource === '$batch') return '$batch transaction'
  if (/^Tables\b/.test(resource)) return `Tables ${method}`
  const [table = '', key] = resource.split('(')
  const isRow = key !== undefined && key !== ')'
  return `${table} ${(isRow ? rowVerbs : tableVerbs)[method] ?? method}`
}

function segmentsOf(url: string): string[] {
  const path = url.split('?', 1)[0] ?? ''
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeURIComponent)
}
