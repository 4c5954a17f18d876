// Runs in its own process: loads the file in its argument as the Functions worker does, and prints the cost in
// milliseconds, files, and bytes of resident memory.
const Module = require('node:module')

const core = {
  version: '4.0.0',
  hostVersion: '4.0.0',
  registerFunction: () => new core.Disposable(),
  registerHook: () => new core.Disposable(),
  setProgrammingModel: () => {},
  getProgrammingModel: () => undefined,
  log: () => {},
  Disposable: class {
    dispose() {}
  },
}
const load = Module._load
Module._load = (request, ...rest) => (request === '@azure/functions-core' ? core : load(request, ...rest))

const filesBefore = Object.keys(require.cache).length
const bytesBefore = process.memoryUsage.rss()
const startedAtMs = performance.now()
require(process.argv[2])
const ms = performance.now() - startedAtMs
const bytes = process.memoryUsage.rss() - bytesBefore
const files = Object.keys(require.cache).length - filesBefore
process.stdout.write(`${JSON.stringify({ ms, files, bytes })}\n`)
