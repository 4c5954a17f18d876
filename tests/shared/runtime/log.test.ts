import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateSecret } from '../../../shared/domain/keys/key-format.ts'
import { describeFailure, invocationLog, redact } from '../../../shared/runtime/log.ts'

describe('redaction', () => {
  test('removes a key from any text, wherever it stands', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.constantFrom('live', 'test', 'mgmt'), (before, after, prefix) => {
        const secret = generateSecret(prefix, randomBytes)
        const random = secret.slice('permas_live_'.length, -6)
        expect(redact(`${before}${secret}${after}`)).not.toContain(random)
        expect(redact(JSON.stringify({ [secret]: [secret] }))).not.toContain(random)
      }),
    )
  })

  test('removes a truncated key', () => {
    expect(redact('permas_live_abcdefgh')).toBe('permas_[redacted]')
  })

  test.each([
    ['Authorization: Bearer eyJhbGciOi.J9.x-y_z', 'eyJ'],
    ['bearer   s3cr3t-token"', 's3cr3t'],
    ['token eyJhbGciOiJSUzI1NiJ9.eyJvaWQiOiJ4In0.c2ln was refused', 'eyJ'],
    ['https://x/t?sv=1&sig=abc%2Bdef%3D&se=2', 'abc%2B'],
    ['AccountName=a;AccountKey=Zm9vYmFy==;TableEndpoint=x', 'Zm9v'],
    ['SharedAccessSignature=sv=2021&sig=abc', 'sv=2021'],
  ])('removes the secret part of %s', (text, secret) => {
    expect(redact(text)).toContain('[redacted]')
    expect(redact(text)).not.toContain(secret)
  })

  test('leaves everything else unchanged', () => {
    const text = 'key_id 01K9ZV3J8V6N3Y4Q2W1X0T5R7S was revoked; permas is the prefix; significant=1'
    expect(redact(text)).toBe(text)
  })
})

test('a log line is one line of JSON, redacted, whatever a field holds', () => {
  const lines: unknown[] = []
  const write = (line: unknown) => lines.push(line)
  const secret = generateSecret('live', randomBytes)
  invocationLog({ info: write, warn: write, error: write })('warn', `of ${secret}`, {
    cause: `line 1\nBearer ${secret}`,
  })
  expect(lines).toEqual([expect.not.stringContaining('\n')])
  expect(JSON.parse(String(lines[0]))).toEqual({ message: 'of permas_[redacted]', cause: 'line 1\nBearer [redacted]' })
})

describe('the description of a failure', () => {
  test('names the error and each of its causes', () => {
    const error = new Error('outer', { cause: new TypeError('inner', { cause: 'a string' }) })
    expect(describeFailure(error)).toBe('Error: outer <- TypeError: inner <- a string')
  })

  test('is bounded where causes are circular, and where they are long', () => {
    const error = new Error('x'.repeat(10_000))
    error.cause = error
    expect(describeFailure(error).length).toBeLessThanOrEqual(2000)
  })
})
