import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')

/** zod re-exports its messages in fifty languages, a quarter of the bundle; its own default is English alone. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js'`,
    }))
  },
}

const modules = join(root, 'node_modules', '@azure')

/**
 * What @azure/functions ships compiled keeps its private fields in WeakMaps, for engines long gone, and that is most of the
 * cost of a request. It ships its source beside that: compiled for the Node that runs it, a request costs a third less.
 */
const fromSource = {
  '@azure/functions': join(modules, 'functions', 'src', 'index.ts'),
  '@azure/functions-extensions-base': join(
    modules,
    'functions-extensions-base',
    'dist',
    'azure-functions-extensions-base.js',
  ),
}

/**
 * Builds one CommonJS bundle with every file of functions/. `@azure/functions-core` stays a `require`: the worker injects
 * it, and a bundle that inlined it, or imported it, would register nothing and say so to nobody. `change` is for tests.
 */
export async function bundleApp(outfile: string, change: BuildOptions = {}): Promise<{ readonly functions: number }> {
  const functions = readdirSync(join(root, 'functions'))
    .filter((file) => file.endsWith('.ts'))
    .sort()
  const entry = [
    ...functions.map((file) => `import './functions/${file}'`),
    `import { flushOnTerminate } from './shared/queue/terminate.ts'`,
    'flushOnTerminate()',
  ].join('\n')
  await build({
    stdin: { contents: entry, resolveDir: root, sourcefile: 'entry.ts', loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    external: ['@azure/functions-core'],
    alias: fromSource,
    // @azure/storage-common calls createRequire(import.meta.url), which a CommonJS bundle does not have.
    define: { 'import.meta.url': 'bundleUrl', BUILD_VERSION: JSON.stringify(manifest.version) },
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [englishOnly],
    logLevel: 'warning',
    ...change,
  })
  return { functions: functions.length }
}
