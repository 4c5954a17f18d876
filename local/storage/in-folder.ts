import { HostError } from '../errors.ts'

const CURES: Readonly<Record<string, string>> = {
  EACCES: 'it belongs to another user, or its permissions forbid it: give --data a folder of your own, or --memory',
  EPERM: 'it belongs to another user: give --data a folder of your own, or --memory',
  EROFS: 'its file system is read-only: give --data a folder elsewhere, or --memory',
  ENOSPC: 'the disk is full: make room, or give --data a folder elsewhere',
  ENOTDIR: 'a part of its path is a file: give --data another folder',
  EEXIST: 'a file has its name: give --data another folder',
}

/** Does work on the data folder. Throws HostError with the cure where the disk or its permissions refuse it. */
export async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const cure = CURES[(error as NodeJS.ErrnoException).code ?? '']
    if (cure === undefined) throw error
    throw new HostError(`The data folder ${folder} cannot be used: ${cure}.`, { cause: error })
  }
}
