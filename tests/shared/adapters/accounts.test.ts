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
      rowsPerTransaction: 100,
    })
  })

  test('with a Cosmos DB account keep their queues where they are, and spend request units on their tables', () => {
    const settings = {
      AZURE_STORAGE_ACCOUNT: 'mystore',
      AZURE_COSMOS_CONNECTION_STRING: cosmos,
      COSMOS_BATCH_SIZE: '20',
    }
    expect(accounts(settings)).toEqual({
      tables: { connectionString: cosmos, units: { spend: expect.any(Function), adjust: expect.any(Function) } },
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
    }).tables
    await units?.spend(50, 0)
    await expect(units?.spend(50, 800)).rejects.toMatchObject({ name: 'CallRejected', retryAfterSeconds: 1 })
  })
})
