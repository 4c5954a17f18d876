import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openGuard } from '../../../../shared/adapters/guard/guard.ts'
import { requestUnits } from '../../../../shared/adapters/guard/request-units.ts'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { everyProvider } from '../../../../shared/domain/access/provider-scope.ts'
import { tableContracts } from '../../../support/contracts/table-contracts.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { sampleDigest } from '../../../support/samples/sample-keys.ts'
import { cosmosLike } from '../../../support/worlds/cosmos-like.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

const policy = { attemptMs: 10_000, deadlineMs: 30_000, retries: 3, backoffMs: 1, openMs: 5000, concurrency: 50 }
const cosmos = cosmosLike(20_261_122)
const guard = openGuard({ name: 'tables', policy })

function tables(unitsPerSecond = 1_000_000, deadlineMs = 30_000) {
  return tableAccess({
    connectionString: azurite.connectionString,
    guard: deadlineMs === 30_000 ? guard : openGuard({ name: 'tables', policy: { ...policy, deadlineMs } }),
    units: requestUnits(unitsPerSecond).lookup,
    wrapClient: cosmos.wrapClient,
  })
}

tableContracts('what behaves as Cosmos DB for Table does', () => tables())

describe('Cosmos DB for Table', () => {
  test('throttled throughout, and refused no request as invalid', () => {
    expect(cosmos.seen.throttled).toBeGreaterThan(20)
    expect(cosmos.seen.refused).toBe(0)
  })

  test('is sent no more than its request units: a caller that would wait too long gets a Retry-After', async () => {
    const keys = tableKeyStore(tables(20, 500))
    const asked = await Promise.allSettled(
      Array.from({ length: 100 }, () => keys.findByDigest(everyProvider, sampleDigest())),
    )
    const refused = asked.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    expect(asked.length - refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeGreaterThan(60)
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'overloaded' })
      expect(error.retryAfterSeconds).toBeGreaterThanOrEqual(1)
    }
    expect(String(refused[0].cause)).toContain('its request units are used up')
  })
})
