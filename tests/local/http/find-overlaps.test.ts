import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchTemplate } from '../../../local/http/route-template.ts'
import { findOverlaps } from '../../support/requests/find-overlaps.ts'
import { routesOf } from './routes-of.ts'

test.each<[a: string, b: string, overlap: boolean]>([
  ['keys/{id}', 'keys/me', true],
  ['keys/{id:minlength(20)}', 'keys/me', false],
  ['keys/{id:minlength(20)}/usage', 'keys/batch/usage', false],
  ['keys/{id:maxlength(5)}', 'keys/{id:minlength(6)}', false],
  ['keys/{id:length(5)}', 'keys/{id:minlength(5)}', true],
  ['keys/{id:int}', 'keys/{id:alpha}', true],
  ['keys/{id:int}', 'keys/me', false],
  ['keys', 'keys/{id?}', true],
  ['keys', 'keys/{id=5}', true],
  ['keys', 'keys/{id}', false],
  ['{*rest}', 'keys/{id:minlength(20)}/usage', true],
  ['keys/{*rest}', 'KEYS', true],
  ['keys/a', 'keys/b', false],
])('"%s" and "%s" overlap: %s', (a, b, overlap) => {
  const routes = routesOf([
    ['one', 'GET', a],
    ['two', 'GET', b],
  ])
  expect(findOverlaps(routes)).toHaveLength(overlap ? 1 : 0)
})

test('functions of different methods never overlap', () => {
  const routes = routesOf([
    ['one', 'GET', 'keys'],
    ['two', 'POST', 'keys'],
  ])
  expect(findOverlaps(routes)).toEqual([])
})

test('property: where it reports nothing, no path matches two templates', () => {
  const word = fc.constantFrom('me', 'batch', 'keys', '12', 'abcdef')
  const parameter = fc.constantFrom('{x}', '{x?}', '{x=me}', '{*x}', '{x:int}', '{x:minlength(3)}', '{x:maxlength(2)}')
  const template = fc
    .tuple(fc.array(word, { maxLength: 2 }), fc.option(parameter, { nil: '' }), fc.option(word, { nil: '' }))
    .map(([words, last, tail]) => [...words, last, last.startsWith('{*') ? '' : tail].filter(Boolean).join('/'))
  const path = fc.array(word, { maxLength: 4 })
  fc.assert(
    fc.property(template, template, path, (a, b, parts) => {
      const routes = routesOf([
        ['one', 'GET', a],
        ['two', 'GET', b],
      ])
      fc.pre(findOverlaps(routes).length === 0)
      const matches = routes.filter(({ segments }) => matchTemplate(segments, parts))
      expect(matches.length).toBeLessThan(2)
    }),
    { numRuns: 2_000 },
  )
})
