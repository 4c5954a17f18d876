import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
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

/** The main file of jsonc-parser loads its parts by a `require` that no bundler sees. */
const jsoncParser: Plugin = {
  name: 'jsonc-parser',
  setup({ onResolve }) {
    onResolve({ filter: /^jsonc-parser$/ }, () => ({
      path: join(root, 'node_modules', 'jsonc-parser', 'lib', 'esm', 'main.js'),
    }))
  },
}

const modules = join(root, 'node_modules', '@azure')

/**
 * The compiled @azure/functions keeps private fields in WeakMaps for old engines, which is most of the cost of a
 * request. The package ships its source too: compiled for the Node that runs it, a request costs a third less.
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

const settings = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  minify: true,
  legalComments: 'none',
  // @azure/storage-common calls createRequire(import.meta.url), which a CommonJS bundle lacks.
  define: { 'import.meta.url': 'bundleUrl', BUILD_VERSION: JSON.stringify(manifest.version) },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
} as const satisfies BuildOptions

/** Code splitting: modules that no start needs, each in a file beside the bundle, loaded on first use. */
const lazyModules = [
  { module: '@azure/identity', file: 'identity.cjs', used: 'DefaultAzureCredential' },
  { module: 'prom-client', file: 'metrics.cjs', used: 'AggregatorRegistry' },
]

const lazyLoading: Plugin = {
  name: 'lazy-loading',
  setup({ onResolve }) {
    for (const { module, file } of lazyModules) {
      onResolve({ filter: new RegExp(`^${module}$`) }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: `./${file}`, external: true } : undefined,
      )
    }
  },
}

/**
 * Builds one CommonJS bundle with every file of functions/. `@azure/functions-core` stays a `require`: the worker
 * injects it, and a bundle that inlined or imported it would silently register nothing. `change` is for tests. Beside
 * the bundle go `identity.cjs`, loaded when the settings name an account without a key, and `metrics.cjs`, loaded by
 * the first request for the metrics.
 */
export async function bundleApp(outfile: string, change: BuildOptions = {}): Promise<{ readonly functions: number }> {
  const functions = readdirSync(join(root, 'functions'))
    .filter((file) => file.endsWith('.ts'))
    .sort()
  const entry = [
    ...functions.map((file) => `import './functions/${file}'`),
    `import { flushOnTerminate } from './shared/triggers/shutdown.ts'`,
    'flushOnTerminate()',
  ].join('\n')
  await build({
    ...settings,
    stdin: { contents: entry, resolveDir: root, sourcefile: 'entry.ts', loader: 'ts' },
    outfile,
    external: ['@azure/functions-core'],
    alias: fromSource,
    sourcemap: true,
    sourcesContent: false,
    // A dynamic import of a CommonJS file guesses the exports; `require` knows them.
    supported: { 'dynamic-import': false },
    plugins: [englishOnly, jsoncParser, lazyLoading],
    ...change,
  })
  for (const { module, file, used } of lazyModules) {
    await build({
      ...settings,
      stdin: { contents: `export { ${used} } from '${module}'`, resolveDir: root, loader: 'ts' },
      outfile: join(dirname(outfile), file),
    })
  }
  return { functions: functions.length }
}
