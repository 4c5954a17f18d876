import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settingNames } from '../../shared/runtime/config.ts'

const root = join(import.meta.dirname, '../..')
const documents = await readAll('*.md', 'docs/**/*.md', 'bench/README.md')
const code = await readAll('{functions,shared,local,tests,bench,scripts}/**/*.ts', 'biome/*.grit')

/** A repository path: without placeholders and wildcards. */
const PATH = /^(?:functions|shared|local|tests|bench|scripts|docs|biome|infra|k8s)\/[\w./-]*$/

describe('the documents', () => {
  test('name in code font only paths that exist', () => {
    const named = inEach(documents, /`([^`\n]+)`/g).filter(({ match }) => PATH.test(match))
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter(({ match }) => !existsSync(join(root, match)))).toEqual([])
  })

  test('link only to files and headings that exist', () => {
    const links = inEach(documents, /\]\(([^)\s]+)\)/g).filter(({ match }) => !match.startsWith('https://'))
    expect(links.length).toBeGreaterThan(100)
    expect(links.filter(({ file, match }) => !leadsSomewhere(file, match))).toEqual([])
  })

  test('exist where code names them', () => {
    const named = inEach(code, /\b((?:docs\/[\w/-]+|README|CONTRIBUTING|SECURITY|CHANGELOG)\.md)\b/g)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(({ match }) => !existsSync(join(root, match)))).toEqual([])
  })
})

describe('the decisions', () => {
  const decisions = [...documents].filter(([file]) => /^docs\/decisions\/\d/.test(file)).sort()

  test('are numbered without a gap', () => {
    expect(decisions.length).toBeGreaterThan(8)
    expect(
      decisions.map(([file]) => Number(file.slice('docs/decisions/'.length, -'.md'.length).split('-')[0])),
    ).toEqual(decisions.map((_, index) => index + 1))
  })

  test.each(decisions)('%s has its number, a status with a date, and what was considered instead', (file, text) => {
    const [title, , status] = text.split('\n')
    expect(title).toMatch(new RegExp(`^# ${/\d{4}/.exec(file)}: \\w`))
    expect(status).toMatch(/^Status: \w+, \d{4}-\d{2}-\d{2}/)
    expect(text).toContain('\n## Considered instead\n\n')
    expect(documents.get('docs/decisions/README.md')).toContain(`(${file.split('/').at(-1)})`)
  })
})

test('docs/configuration.md lists every setting, once, and no other', () => {
  const section = documents
    .get('docs/configuration.md')
    ?.split(/^## /m)
    .find((part) => part.startsWith('Settings\n'))
  const listed = [...(section ?? '').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name)
  expect(listed.sort()).toEqual([...settingNames].sort())
})

/** Texts by path. */
async function readAll(...patterns: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const paths = await Array.fromAsync(glob([...patterns], { cwd: root, exclude: ['**/node_modules/**'] }))
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(root, path), 'utf8')] as const)),
  )
}

function inEach(texts: ReadonlyMap<string, string>, pattern: RegExp) {
  return [...texts].flatMap(([file, text]) => [...text.matchAll(pattern)].map(([, match = '']) => ({ file, match })))
}

function leadsSomewhere(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? from : relative(root, join(root, dirname(from), path))
  if (anchor === undefined) return existsSync(join(root, target))
  return anchorsOf(documents.get(target) ?? '').has(anchor)
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}
