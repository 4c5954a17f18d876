const CHECK_MS = 250

/**
 * Calls `onOrphaned` once when the parent process has ended. npm runs a script in a shell, and that shell dies of a
 * signal without passing it on: its child would go on and keep the port.
 */
export function watchParent(onOrphaned: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onOrphaned()
  }, CHECK_MS)
  timer.unref()
}
