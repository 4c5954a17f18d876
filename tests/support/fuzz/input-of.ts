import fc from 'fast-check'
import * as z from 'zod'
import { placeholders } from './placeholders.ts'

type Schema = z.core.JSONSchema.BaseSchema

/** Values that mostly match a contract; refinements are not modelled. */
export function inputOf(contract: z.ZodType): fc.Arbitrary<unknown> {
  return fromSchema(z.toJSONSchema(contract, { io: 'input', unrepresentable: 'any' }))
}

const ANY_JSON = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' })
const LIST_LENGTH = 4

const now = new Date('2026-11-22T16:00:00Z').getTime()
const nearby = fc.integer({ min: -40, max: 40 }).map((days) => new Date(now + days * 86_400_000).toISOString())
const later = fc.integer({ min: 1, max: 4000 }).map((hours) => new Date(now + hours * 3_600_000).toISOString())

/** Valid values by field name, so that requests pass the first checks and the other fields matter. */
const byField: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  key: fc.constantFrom(
    placeholders.secret,
    placeholders.revokedSecret,
    placeholders.limitedSecret,
    placeholders.managerSecret,
  ),
  key_id: fc.constant(placeholders.keyId),
  token_id: fc.constantFrom(placeholders.keyId, placeholders.revokedKeyId),
  confirm: fc.constantFrom(placeholders.keyId, placeholders.revokedKeyId),
  replaced_by: fc.constant(placeholders.keyId),
  provider_id: fc.constantFrom('acme', 'acme', 'acme', 'acme', 'zeta', '*'),
  batch_id: fc.constantFrom('batch-0001', 'batch-0002'),
  name: fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/),
  owner_id: fc.constantFrom('customer-42', 'ann@example.com'),
  from: nearby,
  to: nearby.map((instant) => instant.slice(0, 10)),
  at: nearby,
  not_before: fc.constant(null),
  expires_at: fc.oneof(later, fc.constant(null)),
  // Mostly left out: the first excludes expires_at, the second cannot be made up.
  expires_in_days: fc.constant(undefined),
  cursor: fc.constant(undefined),
  cascade_cursor: fc.constant(undefined),
  client_ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('10.1.2.3', '10.1.2.3:80', '::ffff:10.1.2.3')),
  ip_restrictions: fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('10.0.0.0/8')), { maxLength: LIST_LENGTH }),
}

function fromSchema(schema: Schema | boolean | undefined, name = ''): fc.Arbitrary<unknown> {
  if (typeof schema !== 'object') return ANY_JSON
  const generated = byKind(schema)
  const sample = byField[name]
  return sample === undefined
    ? generated
    : fc.oneof({ weight: 3, arbitrary: sample }, { weight: 1, arbitrary: generated })
}

function byKind(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => fromSchema(choice)))
  const make = typeof schema.type === 'string' ? byType[schema.type] : undefined
  return make?.(schema) ?? ANY_JSON
}

const byType: Readonly<Record<string, (schema: Schema) => fc.Arbitrary<unknown>>> = {
  string: stringOf,
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
  integer: ({ minimum, maximum }) => fc.integer({ min: bound(minimum, -1e9), max: bound(maximum, 1e9) }),
  number: ({ minimum, maximum }) => fc.double({ min: minimum ?? -1e9, max: maximum ?? 1e9, noNaN: true }),
  array: ({ items, minItems = 0 }) =>
    fc.array(fromSchema(Array.isArray(items) ? items[0] : items), {
      minLength: minItems,
      maxLength: Math.max(minItems, LIST_LENGTH),
    }),
  object: objectOf,
}

function bound(given: number | undefined, otherwise: number): number {
  return given === undefined ? otherwise : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, given))
}

function objectOf({ properties, required = [], additionalProperties }: Schema): fc.Arbitrary<unknown> {
  if (properties === undefined) return fc.dictionary(fc.string(), fromSchema(additionalProperties), { maxKeys: 3 })
  const fields = Object.entries(properties).map(([name, schema]) => [name, fromSchema(schema, name)] as const)
  return fc.record(Object.fromEntries(fields), { requiredKeys: [...required], noNullPrototype: true })
}

const instant = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })

function stringOf({ format, pattern, minLength = 0, maxLength = 64 }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time') return instant.map((at) => at.toISOString())
  if (format === 'date') return instant.map((at) => at.toISOString().slice(0, 10))
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 300) })
}
