import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoint } from './call.ts'

interface DeclaredFunction {
  readonly name: string
}

export interface FunctionFile {
  /** Without its extension. */
  readonly file: string
  /** What its exports declare. */
  readonly declared: readonly DeclaredFunction[]
}

const folder = join(import.meta.dirname, '../../../functions')

/** Loads every file of `functions/` and returns its declarations. */
export async function loadFunctions(): Promise<readonly FunctionFile[]> {
  const files = readdirSync(folder).sort()
  return Promise.all(
    files.map(async (file) => {
      const exported: object = await import(join(folder, file))
      return { file: file.replace(/\.ts$/, ''), declared: Object.values(exported).filter(isDeclared) }
    }),
  )
}

/** The same for HTTP functions only. */
export async function loadEndpoints(): Promise<readonly Endpoint[]> {
  return (await loadFunctions()).flatMap(({ declared }) => declared.filter(isEndpoint))
}

function isDeclared(value: unknown): value is DeclaredFunction {
  return typeof value === 'object' && value !== null && 'name' in value && 'run' in value
}

function isEndpoint(declared: DeclaredFunction): declared is Endpoint {
  return 'route' in declared && 'access' in declared
}
