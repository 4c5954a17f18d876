import { randomBytes } from 'node:crypto'
import { ulid } from 'ulid'
import { tableKeyStore } from '../shared/adapters/tables/key-store.ts'
import { tableAccess } from '../shared/adapters/tables/table-access.ts'
import { everyProvider, oneProvider } from '../shared/domain/access/provider-scope.ts'
import { keyDigests } from '../shared/operations/key-digests.ts'
import { validateKey } from '../shared/operations/keys/validate-key.ts'
import { startAzurite } from '../tests/support/runs/azurite.ts'
import { startStorageProxies } from '../tests/support/runs/storage-proxies.ts'
import { interleave } from './support/interleave.ts'
import { ageless, fillCache, limitless, makeKey, validateInput } from './support/known-keys.ts'
import { print, reportGoal, round } from './support/report.ts'

// The cost of a validation by the number of cached keys, and of a list page by the number of stored keys.

await validations()
await listPages()

async function validations(): Promise<void> {
  const contestant = async (size: number) => {
    const { keyLookup, secrets } = await fillCache(size)
    const inputs = secrets.map(validateInput)
    const needs = { ...limitless, keyLookup, usage: { record: async () => 'recorded' as const }, clock: ageless }
    let at = 0
    return async (operations: number) => {
      for (let turn = 0; turn < operations; turn++) {
        at = (at + 7_919_111) % size
        const input = inputs[at]
        if (input !== undefined) await validateKey(needs, everyProvider, input)
      }
    }
  }
  const contestants = { small: await contestant(10_000), large: await contestant(1_000_000) }
  const { small, large } = await interleave(contestants, { rounds: 9, operations: 50_000 })
  print(`a validation: ${round(small)} ns among 10,000 keys, ${round(large)} ns among 1,000,000`)
  reportGoal({ name: 'scale-validate', value: large / small, unit: 'x-cost-at-10k', atMost: 1.6 })
}

async function listPages(): Promise<void> {
  const azurite = await startAzurite()
  const proxies = await startStorageProxies(azurite, 1)
  try {
    const keys = tableKeyStore(tableAccess({ connectionString: proxies.connectionString }))
    const digests = keyDigests([{ version: 'p1', bytes: randomBytes(32) }])
    const fill = async (providerId: string, count: number) => {
      for (let made = 0; made < count; made += 50) {
        const batch = Array.from({ length: 50 }, (_, index) => {
          const secret = `${providerId}-${made + index}`
          return keys.create({ ...makeKey(made + index, secret, digests.make(secret)), keyId: ulid(), providerId })
        })
        await Promise.all(batch)
      }
    }
    await fill('small', 200)
    await fill('large', 2000)
    const readPage = async (providerId: string) => {
      proxies.resetCounts()
      const { items } = await keys.page(oneProvider(providerId), { limit: 50, after: null })
      if (items.length !== 50) throw new Error(`A page of ${items.length} keys.`)
      return [...proxies.requests().values()].reduce((sum, count) => sum + count, 0)
    }
    const [small, large] = [await readPage('small'), await readPage('large')]
    print(`a page of 50 keys: ${small} requests among 200 keys, ${large} among 2,000`)
    reportGoal({ name: 'scale-list-page', value: large / small, unit: 'x-requests-at-200', atMost: 1 })
    const times = await interleave(
      { small: () => repeat(readPage, 'small'), large: () => repeat(readPage, 'large') },
      { rounds: 7, operations: 5 },
    )
    print(
      `a page of 50 keys: ${round(times.small / 1e6)} ms among 200 keys, ${round(times.large / 1e6)} ms among 2,000`,
    )
  } finally {
    await proxies.close()
    await azurite.stop()
  }
}

async function repeat(readPage: (providerId: string) => Promise<number>, providerId: string): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await readPage(providerId)
}
