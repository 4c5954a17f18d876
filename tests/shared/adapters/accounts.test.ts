import { describe, expect, test } from 'vitest'
import { accountsOf } from '../../../shared/adapters/accounts.ts'
import { parseConfig } from '../../../shared/runtime/config.ts'
import { makeTestSettings } from '../../support/runs/test-settings.ts'

const credential = { getToken: async () => null }
const storage = 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=Zm9v;EndpointSuffix=core.windows.net'
const cosmos = 'AccountName=c;AccountKey=Zm9v;TableEndpoint=https://c.table.cosmos.azure.com:443/'

const accounts = (settings: Readonly<Record<string, string>>) =>
  accountsOf(parseConfig({ ...makeTestSettings(), ...settings }), credential)

describe('the accounts of an app', () => {
  test('with a connection string are all in the storage account, where requests cost nothing', () => {
    expect(accounts({ AZURE_STORAGE_CONNECTION_STRING: storage })).toEqual({
      tables: { connectionString: storage },
      queues: { connectionString: storage },
      rowsPerTransaction: 100,
    })
  })

  test('with the name of a storage account alone are reached by its own identity, over https', () => {
    expect(accounts({ AZURE_STORAGE_ACCOUNT: 'mystore' })).toEqual({
      tables: { endpoint: 'https://mystore.table.core.windows.net', credential },
      queues: { endpoint: 'https://mystore.queue.core.windows.net', credential },
      units: undefined,
      rowsPerTransaction: 100,
    })
  })

  test('with a Cosmos DB account keep their queues where they are, and spend request units on their tables', () => {
    const settings = {
      AZURE_STORAGE_ACCOUNT: 'mystore',
      AZURE_COSMOS_CONNECTION_STRING: cosmos,
      COSMOS_BATCH_SIZE: '20',
    }
    const lane = { spend: expect.any(Function), adjust: expect.any(Function) }
    expect(accounts(settings)).toEqual({
      tables: { connectionString: cosmos },
      units: { revocation: lane, limits: lane, lookup: lane, management: lane, background: lane },
      queues: { endpoint: 'https://mystore.queue.core.windows.net', credential },
      rowsPerTransaction: 20,
    })
  })

  test('with the endpoint of a Cosmos DB account alone are reached by its own identity', () => {
    const endpoint = 'https://c.table.cosmos.azure.com'
    expect(
      accounts({ AZURE_STORAGE_CONNECTION_STRING: storage, AZURE_COSMOS_TABLE_ENDPOINT: endpoint }).tables,
    ).toMatchObject({ endpoint, credential })
  })

  test('spend no more request units than COSMOS_RU_LIMIT a second', async () => {
    const { units } = accounts({
      AZURE_STORAGE_CONNECTION_STRING: storage,
      AZURE_COSMOS_CONNECTION_STRING: cosmos,
      COSMOS_RU_LIMIT: '50',
    })
    // The upper lanes may borrow from the lower ones, and no lane from the first two.
    await units?.limits.spend(45, 0)
    await expect(units?.limits.spend(45, 800)).rejects.toMatchObject({ name: 'CallRejected', retryAfterSeconds: 1 })
  })
})
