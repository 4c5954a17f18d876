import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { check } from '../../../shared/http/read-request.ts'
import { type WrongValue, wrongValuesOf } from '../../support/contracts/wrong-values.ts'
import { loadEndpoints } from '../../support/requests/all-functions.ts'
import { fullRequests } from '../../support/samples/full-requests.ts'

const LIBRARY_WORDS = /invalid|expected|received|too (?:big|small)|input|zod|undefined|\bNaN\b|\bint\b|regex|pattern/i
const OUR_WORDS = /^(?:is|must|names) /

const cases = Object.entries(fullRequests).map(([name, [contract, good]]) => [name, contract, good] as const)

/** The errors of a fault beyond those that the sample has by itself: it names fields that exclude each other. */
function errorsOf(contract: z.ZodType, good: unknown, { value }: WrongValue) {
  const own = new Set(check(contract, good, '#').errors.map((error) => JSON.stringify(error)))
  return check(contract, value, '#').errors.filter((error) => !own.has(JSON.stringify(error)))
}

test('every contract of an endpoint has a sample', async () => {
  const contracts = (await loadEndpoints()).flatMap(({ params, query, body }) => [params, query, body])
  const sampled = Object.values(fullRequests).map(([contract]) => contract)
  const missing = contracts.filter((contract) => contract instanceof z.ZodType && !sampled.includes(contract))
  expect(missing).toEqual([])
})

describe.each(cases)('the errors of %s', (_, contract, good) => {
  const faults = wrongValuesOf(contract, good)

  test('name each fault once, in our own words, at the field where it is', () => {
    for (const fault of faults) {
      const errors = errorsOf(contract, good, fault)
      const wanted = { pointer: expect.stringContaining(fault.pointer), detail: expect.stringMatching(OUR_WORDS) }
      expect({ fault, errors }).toEqual({ fault, errors: [wanted] })
      expect(errors[0]?.detail).not.toMatch(LIBRARY_WORDS)
    }
  })

  test('say that a field is missing where it is missing, and nowhere else', () => {
    for (const fault of faults) {
      const [error] = errorsOf(contract, good, fault)
      const said = { ...fault, detail: error?.detail }
      expect(said).toEqual({ ...fault, detail: expect.any(String) })
      expect([said, error?.detail.startsWith('is missing')]).toEqual([said, fault.kind === 'missing'])
    }
  })

  test('name the range, or the values to choose from', () => {
    for (const fault of faults) {
      const [error] = errorsOf(contract, good, fault)
      for (const name of fault.names)
        expect({ fault, detail: error?.detail }).toEqual({ fault, detail: expect.stringContaining(name) })
    }
  })
})
