import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryFolderNow } from '../samples/temporary-folder.ts'

/** What a fake program answers to arguments that begin so. The longest beginning wins; '' answers everything else. */
export type Replies = Readonly<Record<string, string | { readonly code: number; readonly stderr?: string }>>

export interface FakeClis {
  /** An environment in which these programs, and no other ones, are on the PATH. */
  readonly env: NodeJS.ProcessEnv
  /** Every call so far, as `<program> <arguments>`, with what it read from its input. */
  calls(): readonly { readonly call: string; readonly input: string }[]
}

/** Puts programs onto a PATH of their own, for scripts that start them. */
export function fakeClis(programs: Readonly<Record<string, Replies>>, env: NodeJS.ProcessEnv = {}): FakeClis {
  const folder = makeTemporaryFolderNow()
  const log = join(folder, 'calls.ndjson')
  for (const [name, replies] of Object.entries(programs)) {
    const file = join(folder, name)
    writeFileSync(file, `#!${process.execPath}\n${source(name, replies, log)}`)
    chmodSync(file, 0o755)
  }
  return {
    env: { PATH: folder, HOME: folder, ...env },
    calls: () => {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
      return lines.map((line) => JSON.parse(line) as { call: string; input: string })
    },
  }
}

function source(name: string, replies: Replies, log: string): string {
  return `
const { appendFileSync, readFileSync } = require('node:fs')
const args = process.argv.slice(2).join(' ')
const replies = ${JSON.stringify(replies)}
const begins = Object.keys(replies).filter((begin) => args.startsWith(begin)).sort((a, b) => b.length - a.length)
let input = ''
try { input = readFileSync(0, 'utf8') } catch {}
appendFileSync(${JSON.stringify(log)}, JSON.stringify({ call: ('${name} ' + args).trim(), input }) + '\\n')
const reply = begins.length > 0 ? replies[begins[0]] : { code: 1, stderr: 'not expected: ' + args }
if (typeof reply === 'string') process.stdout.write(reply)
else { process.stderr.write(reply.stderr ?? ''); process.exitCode = reply.code }
`
}
