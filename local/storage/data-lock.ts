import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.ts'

/**
 * Locks a data folder against a second host: two Azurites over the same files would corrupt them. Resolves to the
 * function that releases the lock. A stale lock, whose process is gone, is ignored.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const file = join(dataDir, 'host.pid')
  const holder = Number(await readFile(file, 'utf8').catch(() => '0'))
  if (holder !== process.pid && isAlive(holder)) {
    throw new HostError(
      `${dataDir} is in use by process ${holder}. Stop it, or give --memory or --data DIR. (If it is no local host, delete ${file}.)`,
    )
  }
  await writeFile(file, String(process.pid))
  return () => rm(file, { force: true })
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
