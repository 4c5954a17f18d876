import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const text = await readFile(join(root, 'docs/architecture.md'), 'utf8')
const section = text.split(/^## /m).find((part) => part.startsWith('Follow a validation: eight files\n')) ?? ''
const files = [...section.matchAll(/^\| `([^`]+\.ts)` \| \S.*\|$/gm)].map(([, file]) => file ?? '')

describe('the tour of a validation in docs/architecture.md', () => {
  test('has eight files, from the declaration to the recorded use, with a line each', () => {
    expect(files).toHaveLength(8)
    expect(files[0]).toBe('functions/keys-validate.ts')
    expect(files[7]).toBe('shared/operations/usage/queue-recorder.ts')
  })

  test.each(files)('names %s, which exists', async (file) => {
    await expect(access(join(root, file))).resolves.toBeUndefined()
  })
})
