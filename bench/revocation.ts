import { histogram, type RevocationReport, runRevocations } from '../tests/support/runs/revocation-run.ts'
import { print, reportGoal } from './support/report.ts'

// Revokes keys that three instances have cached, through any instance, while the keys are used at all of them. Every
// other key is unused from before its revocation until the promised time is over. A use counts by the time its request
// was sent. A second run stops one instance for a minute halfway.

const options = { seed: 20_261_122, hosts: 3, revokesPerSecond: 20, bystanders: 3 } as const

report('running', await runRevocations({ ...options, keys: 10_000, stoppedMs: 0 }))
report('one-stopped', await runRevocations({ ...options, keys: 4000, stoppedMs: 60_000 }))

function report(name: string, run: RevocationReport): void {
  const { lastAcceptedMs, tooLate, ...rest } = run
  print(`${name}: seconds from the reply to the revocation to the last use that was accepted, per key and instance`)
  print(histogram(run))
  print(JSON.stringify(rest))
  reportGoal({ name: `revocation-${name}-last`, value: Math.max(...lastAcceptedMs) / 1000, unit: 's', atMost: 10 })
  reportGoal({ name: `revocation-${name}-too-late`, value: tooLate, unit: 'accepted-uses', atMost: 0 })
}
