import { mkdtempSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A process that was just killed may still write into the folder while it is removed. */
const removal = { recursive: true, force: true, maxRetries: 5 } as const

/** Registers a function that cleans up at the end. */
export type AtEnd = (cleanUp: () => Promise<void>) => void

/** Makes a temporary folder, which is removed at the end of the test, or when `atEnd` runs its function. */
export async function makeTemporaryFolder(atEnd: AtEnd = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'auth-api-'))
  atEnd(() => rm(folder, removal))
  return folder
}

/** Makes a temporary folder synchronously, which is removed at the end of the test. */
export function makeTemporaryFolderNow(): string {
  const folder = mkdtempSync(join(tmpdir(), 'auth-api-'))
  onTestFinished(() => rm(folder, removal))
  return folder
}
