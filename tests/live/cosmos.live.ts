import { afterAll } from 'vitest'
import { openGuard } from '../../shared/adapters/guard/guard.ts'
import { requestUnits } from '../../shared/adapters/guard/request-units.ts'
import { tableContracts } from '../support/contracts/table-contracts.ts'
import { liveAccount } from '../support/runs/live-account.ts'

/** What Cosmos DB gives a new table. */
const UNITS_PER_SECOND = 400

/** The largest batch of all costs as much as the account gives in half a minute. */
const policy = { tryMs: 10_000, totalMs: 120_000, retries: 10, firstDelayMs: 100, openMs: 5000, concurrency: 50 }

const account = liveAccount(process.env.LIVE_AZURE_COSMOS_CONNECTION_STRING ?? '', {
  guard: openGuard({ name: 'tables', policy }),
  units: requestUnits(UNITS_PER_SECOND),
})
afterAll(() => account.removeTables())

tableContracts('Cosmos DB for Table', account.tables)
