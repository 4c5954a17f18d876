import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Runs the contract suites against a real account, in tables that are removed at the end. */
const accounts: Readonly<Record<string, string>> = {
  storage: 'LIVE_AZURE_STORAGE_CONNECTION_STRING',
  cosmos: 'LIVE_AZURE_COSMOS_CONNECTION_STRING',
}

process.exitCode = run(process.argv[2] ?? '')

function run(account: string): number {
  const setting = accounts[account]
  if (setting === undefined) return explain(`Say which account: ${Object.keys(accounts).join(' or ')}.`)
  if (!process.env[setting]) return explain(`Nothing was tested: ${setting} is not set. Give it a connection string.`)
  const root = join(import.meta.dirname, '..')
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    vitest,
    'run',
    '--config',
    'tests/live/vitest.config.ts',
    '--root',
    root,
    `tests/live/${account}.live.ts`,
  ]
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1
}

function explain(why: string): number {
  process.stderr.write(`${why}\n`)
  return 1
}
