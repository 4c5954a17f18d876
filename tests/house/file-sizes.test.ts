import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../functions')

test('a file of functions/ is a declaration of at most 60 lines', () => {
  const lines = readdirSync(folder).map((file) => [
    file,
    readFileSync(join(folder, file), 'utf8').split('\n').length - 1,
  ])
  expect(lines.length).toBeGreaterThan(20)
  expect(lines.filter(([, count]) => Number(count) > 60)).toEqual([])
})
