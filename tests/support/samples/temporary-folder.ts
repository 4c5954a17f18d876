import { mkdtempSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Takes a function that is to be called when what it cleans up is no longer needed. */
export type AtEnd = (cleanUp: () => Promise<void>) => void

/** A fresh folder that goes with the test that asked for it, or when `atEnd` says so. */
export async function makeTemporaryFolder(atEnd: AtEnd = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'auth-api-'))
  atEnd(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The same for whoever cannot wait. */
export function makeTemporaryFolderNow(): string {
  const folder = mkdtempSync(join(tmpdir(), 'auth-api-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
