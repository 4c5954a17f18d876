import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/**
 * Holds the linter to the table of docs/architecture.md, cell by cell: one import per cell and kind on a
 * line of its own, in a tree of the same shape under the same configuration.
 */
const root = join(import.meta.dirname, '../..')

/** Where a probe of each row lies, by the names of the table. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  functions: ['functions'],
  'http, queue': ['shared/http', 'shared/queue'],
  operations: ['shared/operations'],
  storage: ['shared/storage'],
  services: ['shared'],
  contracts: ['shared/contracts'],
  domain: ['shared/domain'],
  local: ['local'],
}

/** What a probe imports for each column. */
const targets: Readonly<Record<string, readonly string[]>> = {
  domain: ['shared/domain/errors.ts'],
  contracts: ['shared/contracts/fields.ts'],
  ports: [
    'shared/ports.ts',
    'shared/ports-access.ts',
    'shared/ports-feed.ts',
    'shared/ports-limits.ts',
    'shared/ports-observing.ts',
    'shared/ports-quotas.ts',
    'shared/ports-reporting.ts',
    'shared/ports-spool.ts',
  ],
  operations: ['shared/operations/get-key.ts'],
  storage: ['shared/storage/table.ts'],
  services: ['shared/services.ts'],
  'http, queue': ['shared/http/problem.ts', 'shared/queue/consumer.ts'],
  '@azure/functions': ['@azure/functions'],
  'other @azure/*': ['@azure/data-tables', '@azure/storage-queue', '@azure/identity', '@azure/core-rest-pipeline'],
}

/** What the table leaves to the rooms' descriptions: libraries. */
const libraries: readonly (readonly [room: string, target: string, allowed: boolean])[] = [
  ...['node:crypto', 'node:fs', 'zod', 'lru-cache', 'ulid', 'p-limit'].map(
    (name) => ['shared/domain', name, false] as const,
  ),
  ['shared/domain', 'ipaddr.js', true],
  ['shared/contracts', 'zod', true],
  ['shared/contracts', 'node:fs', false],
  ['shared/operations', 'node:crypto', true],
  ['shared/operations', 'lru-cache', true],
]

interface Probe {
  readonly room: string
  readonly target: string
  readonly kind: 'values' | 'types'
  readonly allowed: boolean
}

let probes: readonly Probe[] = []
/** What the linter refuses: `<file>:<line>`. */
let refused: ReadonlySet<string>
const cleanUps: (() => Promise<void>)[] = []

beforeAll(async () => {
  const folder = await makeTemporaryFolder((cleanUp) => cleanUps.push(cleanUp))
  await cp(join(root, 'biome'), join(folder, 'biome'), { recursive: true })
  const config = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'))
  await writeFile(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
  probes = [
    ...readTable(await readFile(join(root, 'docs/architecture.md'), 'utf8')),
    ...libraries.map(([room, target, allowed]) => ({ room, target, allowed, kind: 'values' as const })),
  ]
  for (const room of new Set(probes.map((probe) => probe.room))) {
    const file = join(folder, fileOf(room))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, probesIn(room).map(importOf).join('\n'))
  }
  refused = await refusedLines(folder)
})

afterAll(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())))

describe('the import table of docs/architecture.md', () => {
  test('has a room for each of its rows and a target for each of its columns', () => {
    expect(new Set(probes.map(({ room }) => room))).toEqual(new Set(Object.values(rooms).flat()))
    const targetsProbed = new Set(probes.map(({ target }) => target))
    expect([...targetsProbed]).toEqual(expect.arrayContaining(Object.values(targets).flat()))
    expect(probes.length).toBeGreaterThan(100)
  })

  test('is what the linter enforces, in every cell', () => {
    const isRefused = (probe: Probe) => refused.has(`${fileOf(probe.room)}:${probesIn(probe.room).indexOf(probe) + 1}`)
    const wrong = probes.filter((probe) => isRefused(probe) === probe.allowed)
    expect(
      wrong.map(({ room, kind, target, allowed }) => `${room}: ${kind} of ${target}, allowed: ${allowed}`),
    ).toEqual([])
  })

  test('needs no rule about values of ports: there are none', async () => {
    for (const file of targets.ports ?? []) expect(Object.keys(await import(join(root, file)))).toEqual([])
  })
})

/** `yes` allows any import, `t` types alone, `queue` the one package of that name, `no` none; a dash says nothing. */
function readTable(document: string): Probe[] {
  const rows = document.split('\n').filter((line) => line.startsWith('|') && line.includes('|'))
  const start = rows.findIndex((row) => /^\| \| domain \|/.test(row))
  const cells = (row = '') =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const [, ...columns] = cells(rows[start])
  return rows.slice(start + 2).flatMap((row) => {
    const [name = '', ...verdicts] = cells(row)
    return verdicts.flatMap((verdict, index) => probesOf(name, columns[index] ?? '', verdict))
  })
}

function probesOf(row: string, column: string, verdict: string): Probe[] {
  if (verdict === '–') return []
  const kinds = column === 'ports' && verdict === 't' ? (['types'] as const) : (['types', 'values'] as const)
  return (rooms[row] ?? []).flatMap((room) =>
    (targets[column] ?? []).flatMap((target) =>
      kinds.map((kind) => ({ room, target, kind, allowed: isAllowed(verdict, kind, target) })),
    ),
  )
}

function isAllowed(verdict: string, kind: Probe['kind'], target: string): boolean {
  return verdict === 'yes' || (verdict === 't' && kind === 'types') || target.endsWith(`-${verdict}`)
}

const probesIn = (room: string) => probes.filter((probe) => probe.room === room)

/** The rule about services is about that very file. */
function fileOf(room: string): string {
  return room === 'shared' ? 'shared/services.ts' : `${room}/probe.ts`
}

/** One line. */
function importOf({ room, target, kind }: Probe, index: number): string {
  const relative = posix.relative(room, target)
  const isOurs = target.startsWith('shared/')
  const path = !isOurs ? target : relative.startsWith('.') ? relative : `./${relative}`
  return kind === 'types' ? `import type { Thing${index} } from '${path}'` : `import { thing${index} } from '${path}'`
}

/** Those that the linter refuses, be it by the rules of the rooms or by that about types. */
async function refusedLines(folder: string): Promise<Set<string>> {
  const { diagnostics } = await lint(folder)
  const about = diagnostics.filter(({ category }) => category === 'plugin' || category.endsWith('/noRestrictedImports'))
  return new Set(about.map(({ location }) => `${location.path.replaceAll('\\', '/')}:${location.start.line}`))
}

interface Location {
  readonly path: string
  readonly start: { readonly line: number }
}

interface Report {
  readonly diagnostics: readonly { readonly category: string; readonly location: Location }[]
}

function lint(folder: string): Promise<Report> {
  const biome = join(root, 'node_modules/.bin/biome')
  const options = ['lint', '--reporter=json', '--max-diagnostics=none', '.']
  return new Promise((resolve) => {
    execFile(process.execPath, [biome, ...options], { cwd: folder, maxBuffer: 1e8 }, (_, stdout) =>
      resolve(JSON.parse(stdout)),
    )
  })
}
