import { randomBytes } from 'node:crypto'
import { tableKeyStore } from '../shared/adapters/tables/key-store.ts'
import { tableProviderStore } from '../shared/adapters/tables/provider-store.ts'
import { tableAccess } from '../shared/adapters/tables/table-access.ts'
import { everyProvider } from '../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../shared/domain/keys/key-format.ts'
import { keyLookup } from '../shared/operations/key-cache/key-lookup.ts'
import { type KeyDigests, keyDigests } from '../shared/operations/key-digests.ts'
import { validateKey } from '../shared/operations/keys/validate-key.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { startStorageProxies } from '../tests/support/runs/storage-proxies.ts'
import { limitless, makeKey, unchanging, validateInput } from './support/known-keys.ts'
import { print, reportGoal } from './support/report.ts'
import { systemClock } from './support/usage-messages.ts'

// Requests to the store for a key that this instance has not cached yet, counted before Azurite.

const FIRST_SIGHTS = 200
const AT_ONCE = 1000
const MALFORMED = 100_000

const azurite = await startAzurite()
const proxies = await startStorageProxies(azurite, 1)
try {
  let digestsMade = 0
  const digests = countDigests(keyDigests([{ version: 'p1', bytes: randomBytes(32) }]), () => digestsMade++)
  const tables = tableAccess({ connectionString: proxies.connectionString })
  const stores = { keys: tableKeyStore(tables), providers: tableProviderStore(tables) }
  const needs = {
    ...limitless,
    keyLookup: keyLookup({ ...unchanging, ...stores, digests, clock: systemClock }),
    usage: { record: async () => 'recorded' as const },
    clock: systemClock,
  }
  const validate = (secret: string) => validateKey(needs, everyProvider, validateInput(secret))

  const secrets = Array.from({ length: FIRST_SIGHTS + 1 }, () => generateSecret('live', randomBytes))
  for (const [index, secret] of secrets.entries())
    await stores.keys.create(makeKey(index, secret, digests.make(secret)))
  proxies.resetCounts()
  const keyReads = () => proxies.requests().get('keys point read') ?? 0

  for (const secret of secrets.slice(0, FIRST_SIGHTS)) {
    const { code } = await validate(secret)
    if (code !== 'VALID') throw new Error(`A good key was ${code}.`)
  }
  for (const [name, count] of proxies.requests()) print(`${count} x ${name}, for ${FIRST_SIGHTS} keys of 50 providers`)
  reportGoal({ name: 'cold-key-reads', value: keyReads() / FIRST_SIGHTS, unit: 'point-reads-per-key', atMost: 1 })

  proxies.resetCounts()
  await Promise.all(Array.from({ length: AT_ONCE }, () => validate(secrets.at(-1) ?? '')))
  reportGoal({ name: 'cold-key-stampede', value: keyReads(), unit: 'reads-for-1000-callers', atMost: 1 })

  proxies.resetCounts()
  digestsMade = 0
  for (let count = 0; count < MALFORMED; count++) {
    const { code } = await validate(makeMalformed(count))
    if (code !== 'MALFORMED') throw new Error(`A malformed key was ${code}.`)
  }
  const requests = [...proxies.requests().values()].reduce((sum, count) => sum + count, 0)
  reportGoal({ name: 'cold-key-malformed-reads', value: requests, unit: 'requests', atMost: 0 })
  reportGoal({ name: 'cold-key-malformed-digests', value: digestsMade, unit: 'digests', atMost: 0 })
} finally {
  await proxies.close()
  await azurite.stop()
}

/** One character too many or too few, a wrong character, or a wrong checksum. */
function makeMalformed(variant: number): string {
  const secret = generateSecret('live', randomBytes)
  const changed = secret.endsWith('0') ? '1' : '0'
  const variants = [`${secret}0`, secret.slice(0, -1), `${secret.slice(0, -1)}-`, secret.slice(0, -1) + changed]
  return variants[variant % variants.length] ?? ''
}

function countDigests(digests: KeyDigests, count: () => void): KeyDigests {
  const counted = <Result>(work: () => Result): Result => {
    count()
    return work()
  }
  return {
    ...digests,
    make: (secret) => counted(() => digests.make(secret)),
    candidates: (secret) => counted(() => digests.candidates(secret)),
    cacheIndex: (secret) => counted(() => digests.cacheIndex(secret)),
  }
}
