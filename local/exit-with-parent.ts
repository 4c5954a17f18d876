/**
 * Preloaded (`node --import`) into a child process that has an IPC channel to its parent: when the parent is gone, even
 * by SIGKILL, the child closes down as on a termination signal instead of living on as an orphan that holds its ports.
 */
const FORCED_EXIT_MS = 5_000

process.once('disconnect', () => {
  setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref()
  process.kill(process.pid, 'SIGTERM')
})
// The channel is there to be lost; it must not keep a process alive that has nothing left to do.
process.channel?.unref()
