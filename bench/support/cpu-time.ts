import { readFileSync } from 'node:fs'

// Linux reports CPU time in this unit, independent of the kernel's tick.
const TICKS_PER_SECOND = 100

/** The CPU time of all threads of a process, in µs; NaN where the system does not report it. */
export function readCpuTimeUs(pid: number): number {
  try {
    // The name before the last parenthesis may hold anything; user and system time are the 12th and 13th field after
    // it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
  } catch {
    return Number.NaN
  }
}
