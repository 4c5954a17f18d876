import { afterAll } from 'vitest'
import { openGuard } from '../../shared/adapters/guard/guard.ts'
import { requestUnits } from '../../shared/adapters/guard/request-units.ts'
import { tableContracts } from '../support/contracts/table-contracts.ts'
import { liveAccount } from '../support/runs/live-account.ts'

/** The throughput that Cosmos DB gives a new table. */
const UNITS_PER_SECOND = 400

/** The largest batch costs half a minute of the account's throughput. */
const policy = { attemptMs: 10_000, deadlineMs: 120_000, retries: 10, backoffMs: 100, openMs: 5000, concurrency: 50 }

const account = liveAccount(process.env.LIVE_AZURE_COSMOS_CONNECTION_STRING ?? '', {
  guard: openGuard({ name: 'tables', policy }),
  units: requestUnits(UNITS_PER_SECOND).revocation,
})
afterAll(() => account.removeTables())

tableContracts('Cosmos DB for Table', account.tables)
