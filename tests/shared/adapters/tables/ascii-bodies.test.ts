import { afterAll, beforeAll, expect, test } from 'vitest'
import { tableAccess } from '../../../../shared/adapters/tables/table-access.ts'
import { startAzurite, type TestAzurite } from '../../../support/runs/azurite.ts'

let azurite: TestAzurite
beforeAll(async () => {
  azurite = await startAzurite()
})
afterAll(() => azurite.stop())

/** Every UTF-16 unit, 4,000 to a text. Halves of pairs are in texts of their own, apart from each other. */
const units = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit))
const isHalf = (unit: string) => !unit.isWellFormed()
const texts = [units.filter((unit) => !isHalf(unit)), units.filter(isHalf).map((half) => `${half}.`)].flatMap((all) =>
  Array.from({ length: Math.ceil(all.length / 4000) }, (_, n) => all.slice(n * 4000, (n + 1) * 4000).join('')),
)

test('every UTF-16 unit comes back from a row as it went in, out of a single write and a transaction alike', async () => {
  const bodies: string[] = []
  const table = tableAccess({
    connectionString: azurite.connectionString,
    wrapClient: (client) => {
      const policy: Parameters<typeof client.pipeline.addPolicy>[0] = {
        name: 'see',
        sendRequest: (request, next) => {
          if (typeof request.body === 'string') bodies.push(request.body)
          return next(request)
        },
      }
      client.pipeline.addPolicy(policy, { afterPhase: 'Sign' })
      return client
    },
  }).table('everyunit')
  for (const [number, text] of texts.entries()) {
    const row = { partitionKey: 'p', rowKey: `${number}`, text }
    await table.upsert({ ...row, rowKey: `single-${number}` })
    const kind = 'upsert' as const
    const result = await table.transact([
      { kind, row },
      { kind, row: { ...row, rowKey: `twin-${number}` } },
    ])
    expect(result.kind).toBe('committed')
    for (const rowKey of [`${number}`, `single-${number}`, `twin-${number}`]) {
      expect((await table.get('p', rowKey))?.text).toBe(text)
    }
  }
  expect(bodies.filter((body) => !/^[\r\n\u0020-\u007e]*$/.test(body))).toEqual([])
})
