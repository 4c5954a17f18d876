import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleApp } from '../../scripts/bundle.ts'
import { isProviderId, managementScopes } from '../../shared/contracts/fields.ts'
import type { TokenVerifier } from '../../shared/ports/access.ts'
import { manualTime } from '../support/memory/manual-time.ts'
import { type KeySetServer, startKeySetServer } from '../support/requests/key-set-server.ts'
import { audience, genuine, keySet, mint, tenant } from '../support/requests/token-issuer.ts'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const cleanUps: (() => Promise<unknown>)[] = []

let folder: string
let server: KeySetServer

beforeAll(async () => {
  folder = await makeTemporaryFolder((cleanUp) => cleanUps.push(cleanUp))
  server = await startKeySetServer()
  cleanUps.push(server.stop)
  server.published.set(tenant, keySet)
})

afterAll(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())))

test('a bundle verifies tokens as the source does: the library for it, a module, is loaded with the first', async () => {
  const file = join(folder, 'tokens.cjs')
  const contents = `export { entraTokens } from './shared/adapters/identity/entra-tokens.ts'`
  await bundleApp(file, { stdin: { contents, resolveDir: root, loader: 'ts' } })
  const { entraTokens } = createRequire(import.meta.url)(file)
  const verifier: TokenVerifier = entraTokens({
    ...{
      scopes: managementScopes,
      isProviderId,
      settings: { tenants: [tenant], audience, allowedApps: [] },
      log: () => undefined,
    },
    ...{ ...manualTime(), keysAt: server.addressOf },
  })
  expect(await verifier.verify(genuine)).toMatchObject({ providerId: '*' })
  expect(await verifier.verify(mint({ signWith: () => Buffer.alloc(256) }))).toBeUndefined()
})
