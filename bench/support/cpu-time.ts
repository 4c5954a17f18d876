import { readFileSync } from 'node:fs'

// What Linux counts CPU time in, whatever the kernel's own tick.
const TICKS_PER_SECOND = 100

/** CPU time that a process has used, all its threads together, in µs; NaN where the system does not tell. */
export function readCpuTimeUs(pid: number): number {
  try {
    // The name before the last parenthesis may hold anything; user and system time are the 12th and 13th field after it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
  } catch {
    return Number.NaN
  }
}
