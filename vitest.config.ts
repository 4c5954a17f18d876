import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The tests that load three hosts to the full: beside them nothing else runs, as it would answer late. */
const heavy = ['tests/e2e/isolation.test.ts', 'tests/e2e/rotate-settings.test.ts']

/** The tests that kill hosts, sit through outages or explore crashes, the longest first: in this order they start. */
const long = [
  'tests/e2e/outage.test.ts',
  'tests/e2e/revocation.test.ts',
  'tests/e2e/kill.test.ts',
  'tests/e2e/lost-revocation.test.ts',
  'tests/fuzz/endpoints.test.ts',
  'tests/fuzz/unicode.test.ts',
  'tests/e2e/limits.test.ts',
  'tests/shared/operations/usage/aggregate-usage-crashes.test.ts',
  'tests/shared/operations/usage/roll-up-usage-crashes.test.ts',
  'tests/local/start.test.ts',
  'tests/e2e/canary.test.ts',
  'tests/e2e/main-job.test.ts',
  'tests/e2e/raw-socket.test.ts',
  'tests/e2e/chunked-bodies.test.ts',
  'tests/e2e/unknown-keys.test.ts',
  'tests/e2e/validate-retry.test.ts',
  'tests/shared/adapters/tables/key-store-crashes.test.ts',
  'tests/shared/operations/limits/limit-trouble.test.ts',
]

/** Vitest knows how long a file takes only from an earlier run, and a fresh clone has none. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => long.findIndex((file) => moduleId.endsWith(file))
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

const common = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Outside a host @azure/functions says on every registration that it runs in test mode: expected here, and noise.
    onConsoleLog: (log) => !log.includes('"@azure/functions" package'),
    projects: [
      { test: { ...common, name: 'heavy', include: heavy, maxWorkers: 1, sequence: { groupOrder: 0 } } },
      // Long tests mostly wait for processes and for time to pass: three at once, on two cores too.
      { test: { ...common, name: 'long', include: long, maxWorkers: 3, sequence: { groupOrder: 1 } } },
      {
        test: {
          ...common,
          name: 'fast',
          include: ['tests/**/*.test.ts'],
          exclude: [...heavy, ...long],
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
