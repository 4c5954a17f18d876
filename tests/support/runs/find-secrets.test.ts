import { expect, it } from 'vitest'
import { findSecrets } from './find-secrets.ts'

const random = 'Zq3vK8mW1xT5bN7cR2dF9gH4jL6pS0aYtEuQoWiPkJhGfD'
const secrets = new Map([['the key', `permas_live_${random}`]])
const found = (content: string | Buffer) => findSecrets(secrets, [{ name: 'a place', content }])

it.each([
  ['as it is', `{"name":"permas_live_${random}"}`],
  ['without its prefix', `x${random}x`],
  ['cut in half', `...${random.slice(0, random.length / 2)}`],
  ['in hex', Buffer.from(random).toString('hex')],
  ['in base64', Buffer.from(random).toString('base64')],
  ['in base64, one byte on', Buffer.from(`a${random}bcd`).toString('base64')],
  ['in base64, two bytes on', Buffer.from(`ab${random}c`).toString('base64')],
])('finds a secret %s', (_, content) => {
  expect(found(content)).toEqual(['the key in a place'])
  expect(found(Buffer.from(content))).toEqual(['the key in a place'])
})

it('finds nothing in the last four characters, which are the hint', () => {
  expect(found(`permas_live_ ${random.slice(-10, -6)}`)).toEqual([])
})
