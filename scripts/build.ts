import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

// One CommonJS bundle with every function. `@azure/functions-core` stays a `require`: the worker injects it, and a bundle
// that inlined it, or imported it, would register nothing and say so to nobody.
const root = join(import.meta.dirname, '..')
const functions = readdirSync(join(root, 'functions'))
  .filter((file) => file.endsWith('.ts'))
  .sort()
const entry = [
  ...functions.map((file) => `import './functions/${file}'`),
  `import { flushOnTerminate } from './shared/queue/terminate.ts'`,
  'flushOnTerminate()',
].join('\n')

/** zod re-exports its messages in fifty languages, a quarter of the bundle; its own default is English alone. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js'`,
    }))
  },
}

const outfile = join(root, 'dist', 'main.cjs')
rmSync(join(root, 'dist'), { recursive: true, force: true })
await build({
  stdin: { contents: entry, resolveDir: root, sourcefile: 'entry.ts', loader: 'ts' },
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  minify: true,
  keepNames: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  external: ['@azure/functions-core'],
  // @azure/storage-common calls createRequire(import.meta.url), which a CommonJS bundle does not have.
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [englishOnly],
  logLevel: 'warning',
})
process.stdout.write(`dist/main.cjs: ${functions.length} functions, ${Math.round(statSync(outfile).size / 1024)} KiB\n`)
