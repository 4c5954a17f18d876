/**
 * Loaded into the Azurite process before Azurite. It has an IPC channel to the process that started it: when that one is
 * gone, even by SIGKILL, Azurite closes down as on a termination signal instead of living on as an orphan.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

const FORCED_EXIT_MS = 5_000

process.once('disconnect', () => {
  setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref()
  process.kill(process.pid, 'SIGTERM')
})
// The channel is there to be lost; it must not keep a process alive that has nothing left to do.
process.channel?.unref()

// A third of Azurite's start is the compiling of its many files.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/azurite', import.meta.url)))
