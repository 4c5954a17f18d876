import { defineConfig } from 'vitest/config'

/** A real account answers in tens of milliseconds, creates a table in seconds, and may give 400 request units a second. */
export default defineConfig({
  test: { include: ['tests/live/*.live.ts'], testTimeout: 900_000, hookTimeout: 300_000 },
})
