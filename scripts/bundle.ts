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

const settings = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  minify: true,
  legalComments: 'none',
  // @azure/storage-common calls createRequire(import.meta.url), which a CommonJS bundle does not have.
  define: { 'import.meta.url': 'bundleUrl', BUILD_VERSION: JSON.stringify(manifest.version) },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
} as const satisfies BuildOptions

/** What no start needs: each in a file of its own beside the bundle, read when it is first asked for. */
const apart = [
  { module: '@azure/identity', file: 'identity.cjs', used: 'DefaultAzureCredential' },
  { module: 'prom-client', file: 'metrics.cjs', used: 'AggregatorRegistry' },
]

const keptApart: Plugin = {
  name: 'kept-apart',
  setup({ onResolve }) {
    for (const { module, file } of apart) {
      onResolve({ filter: new RegExp(`^${module}$`) }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: `./${file}`, external: true } : undefined,
      )
    }
  },
}

/**
 * Builds one CommonJS bundle with every file of functions/. `@azure/functions-core` stays a `require`: the worker injects
 * it, and a bundle that inlined it, or imported it, would register nothing and say so to nobody. `change` is for tests.
 * Beside it go `identity.cjs`, which it requires where the settings name an account without a key, and `metrics.cjs`, which
 * it requires when somebody asks for the metrics.
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
    // A dynamic import of a CommonJS file would have its exports guessed; `require` knows them.
    supported: { 'dynamic-import': false },
    plugins: [englishOnly, keptApart],
    ...change,
  })
  for (const { module, file, used } of apart) {
    await build({
      ...settings,
      stdin: { contents: `export { ${used} } from '${module}'`, resolveDir: root, loader: 'ts' },
      outfile: join(dirname(outfile), file),
    })
  }
  return { functions: functions.length }
}
