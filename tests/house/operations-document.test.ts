import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { counters, gauges, histograms } from '../../shared/domain/metric-catalogue.ts'
import { settingNames } from '../../shared/runtime/config.ts'

const root = join(import.meta.dirname, '../..')
const text = await readFile(join(root, 'docs/operations.md'), 'utf8')
const sections = new Map(
  text
    .split(/^## /m)
    .map((section) => [section.split('\n', 1)[0] ?? '', section.split('\n').slice(1).join('\n')] as const),
)
const rowsOf = (section: string) =>
  (sections.get(section) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.slice(2, -2).split(' | '))

const catalogue = [
  ...Object.entries(counters).map(([name, { labels }]) => ({ name, type: 'counter', labels })),
  ...Object.entries(histograms).map(([name, { labels }]) => ({ name, type: 'histogram', labels })),
  ...Object.entries(gauges).map(([name, { labels }]) => ({ name, type: 'gauge', labels })),
]

describe('docs/operations.md', () => {
  test('explains every metric once, with its type and its labels, and no other', () => {
    const explained = rowsOf('Metrics').map(([name = '', type, labels = '']) => ({
      ...{ name: name.replaceAll('`', ''), type },
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    }))
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    expect(explained.toSorted(byName)).toEqual(catalogue.toSorted(byName))
  })

  test('names only existing metrics, in alarms and elsewhere', () => {
    const named = [...text.matchAll(/\bauth_api_[a-z_]+/g)].map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ''))
    const known = new Set(catalogue.map(({ name }) => name))
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('has a section with the remedy for every alarm and every readiness fault', () => {
    const links = [...rowsOf('Alarms'), ...rowsOf('Readiness')].map((row) => row.at(-1) ?? '')
    const headings = [...sections.keys()].map((heading) => heading.toLowerCase().replaceAll(' ', '-'))
    expect(links.length).toBeGreaterThan(15)
    for (const link of links) {
      const [, anchor] = /\]\(#([a-z-]+)\)/.exec(link) ?? []
      if (anchor === undefined) expect(link).toBe('[configuration](configuration.md)')
      else expect(headings).toContain(anchor)
    }
  })

  test('names only existing settings', () => {
    const named = [...text.matchAll(/`([A-Z]+_[A-Z_]+)(?:=\w+)?`/g)].map(([, name]) => name ?? '')
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !settingNames.includes(name))).toEqual([])
  })

  test('quotes only existing log lines', async () => {
    const files = await Array.fromAsync(glob(join(root, 'shared/**/*.ts')), (file) => readFile(file, 'utf8'))
    const quoted = [...text.matchAll(/`([A-Z][a-z]* [^`]*?)(?:[.…]|: …)`/g)].map(([, line]) => line ?? '')
    expect(quoted.length).toBeGreaterThan(2)
    expect(quoted.filter((line) => !files.some((file) => file.includes(`'${line}`)))).toEqual([])
  })
})
