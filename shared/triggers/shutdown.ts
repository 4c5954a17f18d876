import { app } from '@azure/functions'
import { composedServices } from '../app/worker.ts'

/** When the host stops the app, flushes buffered uses to the queue first, then gives leases of limits back. */
export function flushOnTerminate(): void {
  app.hook.appTerminate(async () => {
    const services = composedServices()
    await services?.usage.flush()
    await Promise.all([services?.limiter.release(), ...(services?.background.map((work) => work.stop()) ?? [])])
  })
}
