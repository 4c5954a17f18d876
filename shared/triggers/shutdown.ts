import { app } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { composedServices } from '../app/worker.ts'

/** Less than the 10 s that hosts give; one that gives less ends the process earlier. */
const GRACE_MS = 8000

/**
 * When the host stops the app, flushes buffered uses to the queue first, then gives leases of limits back. Nothing
 * depends on it: hosts also end workers without this hook.
 */
export function flushOnTerminate(): void {
  app.hook.appTerminate(() => shutDown(composedServices(), GRACE_MS))
}

/** Retries the flush for `graceMs` while the queue does not answer. */
export async function shutDown(
  services: Pick<Services, 'usage' | 'limiter' | 'background'> | undefined,
  graceMs: number,
): Promise<void> {
  if (services === undefined) return
  await Promise.race([services.usage.flush(), sleep(graceMs)])
  await Promise.all([services.limiter.release(), ...services.background.map((work) => work.stop())])
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
