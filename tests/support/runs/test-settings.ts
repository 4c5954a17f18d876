import { randomBytes } from 'node:crypto'

export type TestDurability = 'queue' | 'strict' | 'local' | 'relaxed'

export interface TestSettings {
  readonly ADMIN_KEY: string
  readonly KEY_PEPPERS: string
  readonly USAGE_DURABILITY: TestDurability
}

/** Random settings of one installation. Give the same settings to all hosts of one app. */
export function makeTestSettings(durability: TestDurability = 'strict'): TestSettings {
  return {
    ADMIN_KEY: randomBytes(32).toString('base64url'),
    KEY_PEPPERS: `p2:${randomBytes(32).toString('base64')},p1:${randomBytes(32).toString('base64')}`,
    USAGE_DURABILITY: durability,
  }
}
