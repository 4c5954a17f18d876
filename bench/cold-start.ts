import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { median, print, reportGoal, round } from './support/report.ts'

// The cost of loading the built app in a new worker, against loading the packages such an app consists of. Every load
// has its own process, the two in turn; only the load is timed, not the start of Node.

interface Cost {
  readonly ms: number
  readonly files: number
  readonly bytes: number
}

const ROUNDS = 15
const peers = join(import.meta.dirname, 'peers')
const app = join(import.meta.dirname, '..', 'dist', 'main.cjs')
const naive = join(peers, 'seven.cjs')

if (!existsSync(app)) throw new Error('There is no dist/main.cjs: run "npm run build" first.')
if (!existsSync(join(peers, 'node_modules'))) run('npm', ['ci', '--no-audit', '--no-fund'], peers)

const costs: { app: Cost[]; naive: Cost[] } = { app: [], naive: [] }
for (let round = 0; round <= ROUNDS; round++) {
  const [ours, theirs] = [load(app), load(naive)]
  if (round === 0) continue
  costs.app.push(ours)
  costs.naive.push(theirs)
}
const ours = medians(costs.app)
const theirs = medians(costs.naive)
for (const [name, { ms, files, bytes }] of [['dist/main.cjs', ours] as const, ['seven packages', theirs] as const]) {
  print(`${name}: ${round(ms)} ms, ${files} files, ${round(bytes / 2 ** 20)} MB`)
}
reportGoal({ name: 'cold-start', value: ours.ms / theirs.ms, unit: 'x-seven-packages', atMost: 0.12 })
reportGoal({ name: 'cold-start-files', value: ours.files, unit: 'files', atMost: 3 })
reportGoal({ name: 'cold-start-memory', value: ours.bytes / 2 ** 20, unit: 'MB', atMost: 16 })

function load(file: string): Cost {
  return JSON.parse(run(process.execPath, [join(import.meta.dirname, 'support', 'import-cost.cjs'), file])) as Cost
}

function medians(all: readonly Cost[]): Cost {
  const of = (pick: (cost: Cost) => number) => median(all.map(pick))
  return { ms: of(({ ms }) => ms), files: of(({ files }) => files), bytes: of(({ bytes }) => bytes) }
}

function run(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`)
  return stdout
}
