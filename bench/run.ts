import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { print } from './support/report.ts'

// `npm run bench [name ...]` runs the named benches, or all of them, one after the other. A missed goal is shown, but
// only a bench that crashes fails the command.

const available = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !available.includes(name))
if (unknown.length > 0) {
  print(`There is no bench ${unknown.join(', ')}. There are: ${available.join(', ')}.`)
  process.exit(1)
}

const goals: string[] = []
const crashed: string[] = []
for (const name of asked.length > 0 ? asked : available) {
  print(`\n# ${name}`)
  if (!(await succeeds(name))) crashed.push(name)
}
print(`\n# ${goals.length} goals, ${goals.filter((line) => / FAIL\b/.test(line)).length} missed`)
for (const line of goals) print(line)
if (crashed.length > 0) print(`CRASHED ${crashed.join(', ')}`)
process.exit(crashed.length > 0 ? 1 : 0)

async function succeeds(name: string): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) {
    print(line)
    if (line.startsWith('GOAL ')) goals.push(line)
  }
  const [code] = await ended
  return code === 0
}
