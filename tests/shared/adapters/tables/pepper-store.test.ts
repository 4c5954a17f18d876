import { afterAll, beforeAll } from 'vitest'
import { tableKeyStore } from '../../../../shared/adapters/tables/key-store.ts'
import { tablePepperStore } from '../../../../shared/adapters/tables/pepper-store.ts'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import type { Key } from '../../../../shared/domain/keys/key.ts'
import { pepperStoreContract } from '../../../support/contracts/pepper-store-contract.ts'
import { memoryPepperStore } from '../../../support/memory/memory-pepper-store.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'
import { shuffleQueries } from '../../../support/worlds/shuffling-tables.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

pepperStoreContract('memory', () => {
  const made: Key[] = []
  const create = async (key: Key) => {
    made.push(key)
    return 'created' as const
  }
  return { store: memoryPepperStore(() => made), keys: { create, addAlias: async () => 'added' } }
})

let copies = 0
for (const [name, wrap] of [
  ['Azurite', {}],
  ['Azurite with shuffled queries', { wrapClient: shuffleQueries }],
] as const) {
  pepperStoreContract(name, () => {
    const tables = tableAccess({ connectionString: azurite.connectionString, ...wrap })
    const copy = ++copies
    const unused = { table: (table: string) => tables.table(`${table}${copy}`) }
    return { store: tablePepperStore(unused), keys: tableKeyStore(unused) }
  })
}
