import { afterAll, beforeAll, beforeEach } from 'vitest'
import { type BicepServer, startBicep } from '../../../scripts/bicep-server.ts'
import { findBicep } from '../../../scripts/find-bicep.ts'

/**
 * Returns one Bicep process for all tests of a file. Without Bicep these tests are skipped, with the reason on stderr;
 * with `REQUIRE_BICEP=1` they fail.
 */
export function bicepForTests(): () => BicepServer {
  let bicep: BicepServer | undefined
  let missing = ''
  beforeAll(() => {
    const found = findBicep()
    if ('path' in found) bicep = startBicep(found.path)
    else if (process.env.REQUIRE_BICEP === '1') throw new Error(`REQUIRE_BICEP=1, but ${found.missing}`)
    else missing = found.missing
    if (missing) process.stderr.write(`Skipped: compiling, formatting and comparing infra/. ${missing}.\n`)
  })
  beforeEach((context) => context.skip(bicep === undefined, missing))
  afterAll(() => bicep?.[Symbol.asyncDispose]())
  return () => {
    if (bicep === undefined) throw new Error('Bicep runs only in tests.')
    return bicep
  }
}
