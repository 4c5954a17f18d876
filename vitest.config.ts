import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The longest tests mostly wait for processes and for time to pass: two at once, on two cores too.
    maxWorkers: 2,
    // Outside a host @azure/functions says on every registration that it runs in test mode: expected here, and noise.
    onConsoleLog: (log) => !log.includes('"@azure/functions" package'),
  },
})
