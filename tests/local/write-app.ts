import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AtEnd, makeTemporaryFolder } from '../support/samples/temporary-folder.ts'

const NODE_MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))

/** Writes a Functions app of one CommonJS file into a temporary folder and returns the folder. */
export async function writeApp(source: string, hostJson: object = {}, atEnd?: AtEnd): Promise<string> {
  const folder = await makeTemporaryFolder(atEnd)
  await symlink(NODE_MODULES, join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ main: 'main.cjs' }))
  await writeFile(join(folder, 'host.json'), JSON.stringify(hostJson))
  await writeFile(join(folder, 'main.cjs'), source)
  return folder
}
