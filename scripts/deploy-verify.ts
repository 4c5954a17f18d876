import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'

/**
 * The hook after a deployment: waits until the app is ready and says what is wrong while it is not. A new role, a new
 * secret and a cold start take minutes.
 */
const PATIENCE_MS = Number(process.env.DEPLOY_VERIFY_PATIENCE_MS ?? 300_000)
const PAUSE_MS = Math.min(5000, PATIENCE_MS / 10)

const Ready = z.object({
  status: z.string(),
  version: z.string().optional(),
  wrong: z.array(z.string()).default([]),
  settings: z.array(z.string()).optional(),
})

const url = process.env.AUTH_API_URL?.replace(/\/$/, '')
process.exitCode = url ? await verify(url) : complain('AUTH_API_URL is not set. azd runs this as a hook: azd deploy')

async function verify(app: string): Promise<number> {
  const end = Date.now() + PATIENCE_MS
  let last = ''
  for (;;) {
    const { isReady, finding } = await look(`${app}/health/ready`)
    if (isReady) {
      process.stdout.write(`${app} is ready (${finding}).\n`)
      return 0
    }
    if (finding !== last) process.stdout.write(`not ready yet: ${finding}\n`)
    last = finding
    if (Date.now() >= end) return complain(`${app} is not ready: ${finding}. See docs/operations.md, "Readiness".`)
    await sleep(PAUSE_MS)
  }
}

async function look(address: string): Promise<{ isReady: boolean; finding: string }> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(15_000) })
    const { success, data } = Ready.safeParse(await response.json().catch(() => undefined))
    if (!success) return { isReady: false, finding: `${response.status} without the app's answer` }
    if (response.status === 200 && data.status === 'ready') return { isReady: true, finding: `version ${data.version}` }
    return { isReady: false, finding: [data.wrong.join(', '), ...(data.settings ?? [])].join('; ') }
  } catch (error) {
    const { cause, message } = error as Error
    return { isReady: false, finding: cause instanceof Error ? cause.message : message }
  }
}

function complain(why: string): number {
  process.stderr.write(`${why}\n`)
  return 1
}
