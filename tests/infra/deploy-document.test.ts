import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectedRoles } from '../support/infra/expected-roles.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const text = read('docs/deploy.md')
const main = read('infra/main.bicep')
const scripts = (JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }).scripts

/** The shell commands of the document, one a line; continued lines are joined. */
const commands = [...text.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n'))
  .filter((line) => line !== '')

describe('docs/deploy.md', () => {
  test('lists every parameter of infra/main.bicep but the two that azd asks for', () => {
    const section = text.split('## Parameters')[1]?.split('\n## ')[0] ?? ''
    const listed = [...section.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
    )
    const declared = [...main.matchAll(/^param (\w+) /gm)].map(([, name = '']) => name)
    expect(listed.sort()).toEqual(declared.filter((name) => !['environmentName', 'location'].includes(name)).sort())
  })

  test('says the default that infra/main.bicep has', () => {
    const rows = [...text.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name = '', value = '']) => [name, value])
    expect(rows.length).toBeGreaterThan(12)
    for (const [name, value] of rows) {
      const declared = new RegExp(`^param ${name} \\w+ = '?([^'\\n]*)'?$`, 'm').exec(main)?.[1]
      if (name !== 'resourceGroupName') expect.soft(declared, name).toBe(value)
    }
  })

  test('sets only variables that infra/main.bicepparam reads', () => {
    const variables = [...text.matchAll(/AUTH_API_[A-Z_]*[A-Z]\b/g)]
      .map(([name]) => name)
      .filter((name) => name !== 'AUTH_API_URL')
    expect(variables.length).toBeGreaterThan(5)
    expect(variables.filter((name) => !read('infra/main.bicepparam').includes(`'${name}'`))).toEqual([])
  })

  test('runs only scripts that exist', () => {
    const named = [...text.matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name)
    expect(named.length).toBeGreaterThan(8)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('gives options only that a script knows', () => {
    const options = commands.flatMap((line) => {
      const [, script, rest = ''] = /npm run ([a-z:-]+) -- (.*)/.exec(line) ?? []
      return script === undefined
        ? []
        : [...rest.matchAll(/--([a-z-]+)/g)].map(([, option = '']) => ({ script, option }))
    })
    expect(options.length).toBeGreaterThan(3)
    for (const { script, option } of options) {
      const source = read(`${scripts[script]?.replace('node ', '')}`)
      expect.soft(source, `${script} --${option}`).toMatch(new RegExp(`['\\s]${option}'?: \\{ type`))
    }
  })

  test('names every message of the scripts that it explains', () => {
    const sources = ['deploy-secrets.ts', 'deploy-verify.ts', 'checks/azd.ts']
      .map((file) => read(`scripts/${file}`))
      .join()
    const table = text.split('| it says | do |')[1]?.split('\n\n')[0] ?? ''
    const messages = [...table.matchAll(/^\| `([^`]+)`(?: or `queue`)? \| /gm)].map(([, one = '']) => one)
    expect(messages.length).toBeGreaterThan(4)
    const parts = messages.flatMap((one) => one.split(/kv-…|…|: tables|: settings;/)).map((part) => part.trim())
    expect(parts.filter((part) => part !== '' && !sources.includes(part))).toEqual([])
  })

  test('lists as many roles as a deployment grants', () => {
    const table = text.split('| role | of | on |')[1]?.split('\n## ')[0] ?? ''
    const cosmos = 1
    expect(table.match(/Data |Secrets |Metrics /g)?.length).toBe(expectedRoles('flex').length + cosmos)
  })
})
