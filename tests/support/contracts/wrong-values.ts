import * as z from 'zod'

type Schema = z.core.JSONSchema.BaseSchema
type Fields = Readonly<Record<string, unknown>>

/** One fault that a value of a contract may have, and where. */
export interface WrongValue {
  readonly kind: 'missing' | 'wrong_type' | 'out_of_range' | 'unknown_field'
  /** RFC 6901, as `check` names it with the prefix `#`. */
  readonly pointer: string
  /** The good value with this one fault in it. */
  readonly value: unknown
  /** What the error text must name: the ends of a range, the values of a list. */
  readonly names: readonly string[]
}

/** Every fault of each kind, of each field, at any depth. Throws for a field that `good` lacks: no sample would test it. */
export function wrongValuesOf(contract: z.ZodType, good: unknown): WrongValue[] {
  return faultsOf(z.toJSONSchema(contract, { io: 'input', unrepresentable: 'any' }), good, '#')
}

function faultsOf(schema: Schema, good: unknown, pointer: string): WrongValue[] {
  const one = choose(schema, good)
  const allowed = schema.anyOf?.map(constOf) ?? []
  return [
    ...wrongTypes(one, isNullable(schema), pointer),
    ...outOfRange(one, good, pointer).filter(({ value }) => !allowed.includes(value)),
    ...inside(one, good, pointer),
  ]
}

/** The alternative that the good value is of. */
function choose(schema: Schema, good: unknown): Schema {
  const choices = (schema.anyOf ?? schema.oneOf)?.filter(isSchema) ?? []
  if (choices.length === 0) return schema
  const kind = (good as Fields | null)?.kind
  const ofKind = choices.find(({ properties }) => kind !== undefined && constOf(properties?.kind) === kind)
  const chosen = ofKind ?? choices.find((choice) => choice.type === jsonType(good) && choice.const === undefined)
  return chosen === undefined ? schema : choose(chosen, good)
}

function wrongTypes(schema: Schema, nullable: boolean, pointer: string): WrongValue[] {
  const samples: readonly unknown[] = [5.5, 'text', true, {}, [], ...(nullable ? [] : [null])]
  const type = schema.type === 'integer' ? 'number' : schema.type
  if (type === undefined && schema.enum === undefined) return []
  return samples
    .filter((sample) => jsonType(sample) !== type)
    .map((value) => ({ kind: 'wrong_type', pointer, value, names: [] }))
}

type OutOfRange = readonly [value: unknown, ...names: (number | string)[]]

const beyond: Readonly<Record<string, (schema: Schema, good: unknown) => readonly OutOfRange[]>> = {
  maximum: ({ minimum = 0, maximum = 0 }) =>
    [minimum - 1, maximum + 1, minimum + 0.5, -(2 ** 60), 1e300].map((value) => [value, minimum, maximum]),
  maxLength: ({ maxLength = 0 }) => [['x'.repeat(maxLength + 1), maxLength]],
  minLength: ({ minLength = 0 }) => [['', minLength]],
  pattern: () => [['€'], ['']],
  maxItems: ({ maxItems = 0 }, good) => [
    [new Array(maxItems + 1).fill(Array.isArray(good) ? good[0] : good), maxItems],
  ],
  minItems: ({ minItems }) => (minItems === 0 ? [] : [[[]]]),
  enum: ({ enum: values = [] }) => [['no such value', ...(values.length > 11 ? [] : values.map(String))]],
}

function outOfRange(schema: Schema, good: unknown, pointer: string): WrongValue[] {
  return Object.keys(schema)
    .flatMap((rule) => beyond[rule]?.(schema, good) ?? [])
    .map(([value, ...names]) => {
      return { kind: 'out_of_range', pointer, value, names: names.map((name) => name.toLocaleString('en-US')) }
    })
}

function inside(schema: Schema, good: unknown, pointer: string): WrongValue[] {
  if (schema.properties !== undefined) return insideObject(schema, good as Fields, pointer)
  if (!isSchema(schema.items) || !Array.isArray(good)) return []
  if (good.length === 0) throw new RangeError(`The sample has nothing in ${pointer}.`)
  return faultsOf(schema.items, good[0], `${pointer}/0`).map((fault) => ({
    ...fault,
    value: good.with(0, fault.value),
  }))
}

function insideObject(
  { properties = {}, required = [], ...schema }: Schema,
  good: Fields,
  pointer: string,
): WrongValue[] {
  const isStrict = schema.additionalProperties === false
  const unknown = {
    kind: 'unknown_field',
    pointer: `${pointer}/surprise`,
    value: { ...good, surprise: 1 },
    names: [],
  } as const
  return [
    ...(isStrict ? [unknown] : []),
    ...Object.entries(properties).flatMap(([name, property]): WrongValue[] => {
      const place = `${pointer}/${name}`
      const { [name]: value, ...others } = good
      if (value === undefined || value === null) throw new RangeError(`The sample has no ${place}.`)
      const missing: WrongValue = { kind: 'missing', pointer: place, value: others, names: [] }
      const faults = isSchema(property) ? faultsOf(property, value, place) : []
      return [
        // Without its `kind` a value is of another shape.
        ...(required.includes(name) && constOf(property) === undefined ? [missing] : []),
        ...faults.map((fault) => ({ ...fault, value: { ...good, [name]: fault.value } })),
      ]
    }),
  ]
}

function isNullable({ anyOf = [] }: Schema): boolean {
  return anyOf.some((choice) => isSchema(choice) && (choice.type === 'null' || isNullable(choice)))
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
}

function constOf(schema: unknown): unknown {
  return isSchema(schema) ? schema.const : undefined
}

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value
}
