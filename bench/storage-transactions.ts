import { randomBytes } from 'node:crypto'
import pLimit from 'p-limit'
import { compose } from '../shared/app/compose.ts'
import type { Services } from '../shared/app/services.ts'
import { everyProvider } from '../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../shared/domain/keys/key-format.ts'
import { validateKey } from '../shared/operations/keys/validate-key.ts'
import { parseConfig } from '../shared/runtime/config.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { type StorageProxies, startStorageProxies } from '../tests/support/runs/storage-proxies.ts'
import { makeTestSettings } from '../tests/support/runs/test-settings.ts'
import { makeKey, validateInput } from './support/known-keys.ts'
import { print, reportGoal, round } from './support/report.ts'

// Storage transactions per 1,000 validations of cached keys, from the use to its counters: messages sent, received and
// deleted, counters read and written. A proxy before Azurite counts them, retries and empty polls included. The cost of
// a use depends on how many uses share a message, so the rate is printed as well.

const KEY_COUNT = 1000
// Shorter than the TTL of a cached key, so that only uses cost transactions, not lookups.
const LOAD_MS = 5000
const POLL_MS = 1000
const providerIds = Array.from({ length: 50 }, (_, index) => `provider-${index}`)

const azurite = await startAzurite()
const proxies = await startStorageProxies(azurite, 1)
try {
  for (const { durability, callers } of [
    { durability: 'relaxed', callers: 256 },
    { durability: 'strict', callers: 256 },
  ] as const) {
    const settings = { ...makeTestSettings(durability), AZURE_STORAGE_CONNECTION_STRING: proxies.connectionString }
    const services = compose(parseConfig(settings))
    const secrets = await storeKeys(services)
    await pLimit(32).map(secrets, (secret) => validate(services, secret))
    await settle(services)
    await pLimit(32).map(secrets, (secret) => services.keyLookup.find(secret, true))
    await pLimit(32).map(providerIds, (id) => services.keyLookup.findProvider(id, true))

    proxies.resetCounts()
    const polling = pollUntil(services, performance.now() + LOAD_MS)
    const uses = await makeUses(services, secrets, callers)
    await polling
    await settle(services)
    report(proxies, `${durability}-${callers}-callers`, uses)
  }
} finally {
  await proxies.close()
  await azurite.stop()
}

function report({ requests }: StorageProxies, name: string, uses: number): void {
  const counts = requests()
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const keyReads = ['keys point read', 'providers point read'].reduce((sum, kind) => sum + (counts.get(kind) ?? 0), 0)
  print(`${name}: ${uses} validations, ${round(uses / (LOAD_MS / 1000))} per second, ${total} transactions`)
  for (const [kind, count] of counts) print(`  ${round((count * 1000) / uses)} per 1,000: ${kind}`)
  reportGoal({ name: `storage-transactions-${name}`, value: (total * 1000) / uses, unit: 'per-1000', atMost: 1 })
  reportGoal({ name: `storage-reads-${name}`, value: keyReads, unit: 'key-and-provider-reads', atMost: 0 })
}

async function storeKeys(services: Services): Promise<readonly string[]> {
  const secrets = Array.from({ length: KEY_COUNT }, () => generateSecret('live', randomBytes))
  for (const [index, secret] of secrets.entries()) {
    const key = makeKey(index, secret, services.digests.make(secret))
    await services.keys.create({ ...key, keyId: services.random.id() })
  }
  return secrets
}

async function validate(services: Services, secret: string): Promise<void> {
  const { code } = await validateKey(services, everyProvider, validateInput(secret))
  if (code !== 'VALID') throw new Error(`A good key was ${code}.`)
}

/** Sequential callers: each waits for its answer before the next request. */
async function makeUses(services: Services, secrets: readonly string[], callers: number): Promise<number> {
  const endsAtMs = performance.now() + LOAD_MS
  let uses = 0
  const caller = async () => {
    while (performance.now() < endsAtMs) {
      await validate(services, secrets[uses++ % secrets.length] ?? '')
      // When no answer waits for the store, only this lets timers and sockets run.
      if (uses % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return uses
}

/** Consumes messages as the trigger does: drains the queue, and polls again after a pause. */
async function pollUntil(services: Services, endsAtMs: number): Promise<void> {
  while (performance.now() < endsAtMs) {
    await services.consumer.drain()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function settle(services: Services): Promise<void> {
  await services.usage.flush()
  while ((await services.queue.depth()) > 0) await services.consumer.drain()
}
