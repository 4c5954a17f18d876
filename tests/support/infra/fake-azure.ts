import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A refusal of a vault: its code, and the inner one that tells a missing role from a closed vault. */
export const forbidden = (innererror: string): FakeReply => ({
  ...{ status: 403, body: { error: { code: 'Forbidden', innererror: { code: innererror } } } },
})

export interface FakeReply {
  readonly status: number
  readonly body?: unknown
}

export interface FakeAzure {
  readonly url: string
  readonly requests: readonly { readonly method: string; readonly path: string; readonly body: string }[]
  /** The secrets of the vault, by name. */
  readonly secrets: Map<string, string>
}

/** A vault and a resource manager over HTTP. `interfere` answers a request itself, or leaves it to the vault. */
export async function fakeAzure(
  interfere: (method: string, path: string, requests: number) => FakeReply | undefined = () => undefined,
): Promise<FakeAzure> {
  const requests: { method: string; path: string; body: string }[] = []
  const secrets = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('')
    const { method = '', url: path = '' } = request
    requests.push({ method, path, body })
    const reply = interfere(method, path, requests.length) ?? vault(secrets, method, path, body)
    response.writeHead(reply.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(reply.body ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, secrets }
}

function vault(secrets: Map<string, string>, method: string, path: string, body: string): FakeReply {
  const [, name] = /^\/secrets\/([a-z-]+)\?/.exec(path) ?? []
  if (name === undefined) return { status: 200 }
  if (method === 'PUT') secrets.set(name, (JSON.parse(body) as { value: string }).value)
  return secrets.has(name)
    ? { status: 200, body: { value: secrets.get(name) } }
    : { status: 404, body: { error: { code: 'SecretNotFound' } } }
}
