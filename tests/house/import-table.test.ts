import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, posix, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

/**
 * Tests that the linter enforces the tables of docs/architecture.md, cell by cell: one import per cell and kind, each
 * on its own line, in a tree of the same shape under the same configuration.
 */
const root = join(import.meta.dirname, '../..')
const text = await readFile(join(root, 'docs/architecture.md'), 'utf8')

/** The row of the files of a layer that belong to no capability. */
const ROOT = '(root)'

/** The folders of the probes of each row of the table of layers. */
const layers: Readonly<Record<string, readonly string[]>> = {
  functions: ['functions'],
  'http, triggers': ['shared/http', 'shared/http/views', 'shared/triggers'],
  operations: ['shared/operations', 'shared/operations/keys'],
  adapters: ['shared/adapters', 'shared/adapters/tables'],
  app: ['shared/app'],
  runtime: ['shared/runtime'],
  contracts: ['shared/contracts'],
  ports: ['shared/ports'],
  domain: ['shared/domain', 'shared/domain/usage'],
  local: ['local', 'local/http'],
}

/** What a probe imports for each column: root files where a layer has any, as capabilities have their own table. */
const targets: Readonly<Record<string, readonly string[]>> = {
  domain: ['shared/domain/errors.ts'],
  contracts: ['shared/contracts/fields.ts'],
  ports: readdirSync(join(root, 'shared/ports')).map((file) => `shared/ports/${file}`),
  operations: ['shared/operations/key-digests.ts'],
  adapters: ['shared/adapters/accounts.ts', 'shared/adapters/guard/guard.ts'],
  app: ['shared/app/services.ts', 'shared/app/worker.ts', 'shared/app/compose.ts'],
  'http, triggers': ['shared/http/problem.ts', 'shared/triggers/timer-trigger.ts'],
  runtime: ['shared/runtime/config.ts', 'shared/runtime/log.ts'],
  '@azure/functions': ['@azure/functions'],
  'other @azure/*': ['@azure/data-tables', '@azure/storage-queue', '@azure/identity', '@azure/core-rest-pipeline'],
}

/** Libraries, which only the descriptions of the folders restrict, not the tables. */
const libraries: readonly (readonly [folder: string, target: string, allowed: boolean])[] = [
  ...['node:crypto', 'node:fs', 'zod', 'lru-cache', 'ulid', 'p-limit'].map(
    (name) => ['shared/domain', name, false] as const,
  ),
  ['shared/domain', 'ipaddr.js', true],
  ['shared/contracts', 'zod', true],
  ['shared/contracts', 'node:fs', false],
  ['shared/ports', 'zod', false],
  ['shared/operations', 'node:crypto', true],
  ['shared/operations', 'lru-cache', true],
]

interface Probe {
  readonly folder: string
  readonly target: string
  readonly kind: 'values' | 'types'
  readonly allowed: boolean
}

let probes: readonly Probe[] = []
/** The imports that the linter refuses, as `<file>:<line>`. */
let refused: ReadonlySet<string>
const cleanUps: (() => Promise<void>)[] = []

beforeAll(async () => {
  const folder = await makeTemporaryFolder((cleanUp) => cleanUps.push(cleanUp))
  await cp(join(root, 'biome'), join(folder, 'biome'), { recursive: true })
  const config = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'))
  await writeFile(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
  probes = [
    ...readTable(text, '', 'domain').flatMap(layerProbes),
    ...['domain', 'operations', 'adapters'].flatMap((layer) =>
      readTable(text, layer).flatMap((cell) => capabilityProbes(layer, cell)),
    ),
    ...libraries.map(([folder, target, allowed]) => ({ folder, target, allowed, kind: 'values' as const })),
  ]
  for (const home of new Set(probes.map((probe) => probe.folder))) {
    const file = join(folder, fileOf(home))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, probesIn(home).map(importOf).join('\n'))
  }
  refused = await refusedLines(folder)
})

afterAll(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())))

describe('the import tables of docs/architecture.md', () => {
  test('have a folder for each row and a target for each column', () => {
    expect(new Set(readTable(text, '', 'domain').map(({ row }) => row))).toEqual(new Set(Object.keys(layers)))
    expect(new Set(readTable(text, '', 'domain').map(({ column }) => column))).toEqual(new Set(Object.keys(targets)))
    expect(probes.length).toBeGreaterThan(350)
  })

  test.each(['domain', 'operations', 'adapters'])(
    'have a row and a column for each capability of %s',
    async (layer) => {
      const entries = await readdir(join(root, 'shared', layer), { withFileTypes: true })
      const folders = new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name))
      const cells = readTable(text, layer)
      for (const names of [cells.map(({ row }) => row), cells.map(({ column }) => column)]) {
        expect(new Set(names.filter((name) => name !== ROOT))).toEqual(folders)
      }
    },
  )

  test('are what the linter enforces, in every cell', () => {
    const isRefused = (probe: Probe) =>
      refused.has(`${fileOf(probe.folder)}:${probesIn(probe.folder).indexOf(probe) + 1}`)
    const wrong = probes.filter((probe) => isRefused(probe) === probe.allowed)
    expect(
      wrong.map(({ folder, kind, target, allowed }) => `${folder}: ${kind} of ${target}, allowed: ${allowed}`),
    ).toEqual([])
  })

  test('leave no file of shared/ without a rule', async () => {
    const governed = new Set(Object.values(layers).flat())
    const files = await readdir(join(root, 'shared'), { recursive: true, withFileTypes: true })
    const homes = files.filter((entry) => entry.isFile()).map((entry) => relative(root, entry.parentPath))
    const orphans = homes.filter(
      (home) => ![...governed].some((folder) => home === folder || home.startsWith(`${folder}/`)),
    )
    expect([...new Set(orphans)]).toEqual([])
  })

  test('need no rule about values of ports: there are none', async () => {
    for (const file of targets.ports ?? []) expect(Object.keys(await import(join(root, file)))).toEqual([])
  })
})

interface Cell {
  readonly row: string
  readonly column: string
  readonly verdict: string
}

/** Reads the table whose header begins with `corner`, followed by `first` if given. */
function readTable(document: string, corner: string, first?: string): Cell[] {
  const rows = document.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const start = rows.findIndex(
    (cells, index) =>
      cells[0] === corner && cells.length > 2 && rows[index + 1]?.[0] === '---' && cells[1] === (first ?? cells[1]),
  )
  const [, ...columns] = rows[start] ?? []
  const end = rows.findIndex((cells, index) => index > start && cells.length === 0)
  return rows
    .slice(start + 2, end)
    .flatMap(([row = '', ...verdicts]) =>
      verdicts.map((verdict, index) => ({ row, column: columns[index] ?? '', verdict })),
    )
}

/** `yes` allows any import, `t` only types, `queue` only the package of that name, `no` none; a dash is not tested. */
function layerProbes({ row, column, verdict }: Cell): Probe[] {
  if (verdict === '–') return []
  const kinds = column === 'ports' && verdict === 't' ? (['types'] as const) : (['types', 'values'] as const)
  return (layers[row] ?? []).flatMap((folder) =>
    (targets[column] ?? []).flatMap((target) =>
      kinds.map((kind) => ({ folder, target, kind, allowed: isAllowed(verdict, kind, target) })),
    ),
  )
}

function isAllowed(verdict: string, kind: Probe['kind'], target: string): boolean {
  return verdict === 'yes' || (verdict === 't' && kind === 'types') || target.endsWith(`-${verdict}`)
}

function capabilityProbes(layer: string, { row, column, verdict }: Cell): Probe[] {
  const place = (name: string) => (name === ROOT ? `shared/${layer}` : `shared/${layer}/${name}`)
  const target = `${place(column)}/some-file.ts`
  return (['types', 'values'] as const).map((kind) => ({
    folder: place(row),
    target,
    kind,
    allowed: verdict === 'yes',
  }))
}

const probesIn = (folder: string) => probes.filter((probe) => probe.folder === folder)

const fileOf = (folder: string) => `${folder}/probe.ts`

/** An import in one line. */
function importOf({ folder, target, kind }: Probe, index: number): string {
  const path = posix.relative(folder, target)
  const isOurs = target.startsWith('shared/')
  const source = !isOurs ? target : path.startsWith('.') ? path : `./${path}`
  return kind === 'types'
    ? `import type { Thing${index} } from '${source}'`
    : `import { thing${index} } from '${source}'`
}

/** Returns the lines that the linter refuses, by a rule of their folder or by a plugin. */
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
