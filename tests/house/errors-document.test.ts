import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AppError } from '../../shared/domain/errors.ts'
import { errorCodes, toProblem } from '../../shared/http/problem.ts'

const text = await readFile(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0] ?? '', section] as const),
)

test('docs/errors.md explains every error code once, and no other', () => {
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)
  expect(headings.toSorted()).toEqual([...errorCodes].toSorted())
})

test.each(errorCodes)('docs/errors.md gives %s its status', (code) => {
  const { status } = toProblem(new AppError(code, 'x'), 'r')
  expect(sections.get(code)?.split('\n')[1]).toMatch(new RegExp(`^${status}\\b`))
})
