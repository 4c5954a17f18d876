import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bundleApp } from './bundle.ts'

const dist = join(import.meta.dirname, '..', 'dist')
const outfile = join(dist, 'main.cjs')
rmSync(dist, { recursive: true, force: true })
const { functions } = await bundleApp(outfile)
process.stdout.write(`dist/main.cjs: ${functions} functions, ${Math.round(statSync(outfile).size / 1024)} KiB\n`)
