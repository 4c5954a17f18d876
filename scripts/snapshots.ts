import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startBicep } from './bicep-server.ts'
import { findBicep } from './find-bicep.ts'
import { functionSettings } from './kubernetes-functions.ts'
import { prometheusRules } from './prometheus-rules.ts'

/**
 * Writes what in infra/ and k8s/ is made of other files: the alarms of Prometheus,
 * the functions of each Deployment and, by Bicep, the format of its files and the
 * snapshot of every scenario, which is what its deployment would create.
 */
const root = join(import.meta.dirname, '..')
const infra = join(root, 'infra')
const operations = await readFile(join(root, 'docs', 'operations.md'), 'utf8')
await writeFile(join(infra, 'prometheus-rules.yaml'), prometheusRules(operations))
const sources = new Map<string, string>()
for await (const file of glob('*.ts', { cwd: join(root, 'functions') })) {
  sources.set(file.replace('.ts', ''), await readFile(join(root, 'functions', file), 'utf8'))
}
for (const [name, text] of Object.entries(functionSettings(sources))) {
  await writeFile(join(root, 'k8s', 'base', `${name}-functions.env`), text)
}
const found = findBicep()
if ('missing' in found) {
  process.stderr.write(`${found.missing}.\n`)
  process.exitCode = 1
} else {
  await using bicep = startBicep(found.path)
  const diagnostics = await bicep.diagnose(join(infra, 'main.bicep'))
  process.stderr.write(diagnostics.map((line) => `${line}\n`).join(''))
  for await (const file of glob('**/*.{bicep,bicepparam}', { cwd: infra })) {
    const path = join(infra, file)
    const formatted = await bicep.format(path)
    if (formatted !== (await readFile(path, 'utf8'))) await writeFile(path, formatted)
  }
  for await (const file of glob('scenarios/*.bicepparam', { cwd: infra })) {
    if (file.endsWith('bad.bicepparam')) continue
    await writeFile(join(infra, file.replace('.bicepparam', '.snapshot.json')), await bicep.snapshot(join(infra, file)))
    process.stdout.write(`${file}\n`)
  }
}
