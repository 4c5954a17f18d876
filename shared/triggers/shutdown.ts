import { app } from '@azure/functions'
import { composedServices } from '../app/worker.ts'

/** When the host stops the app, what is still in memory goes to the queue first, and leases of limits go back. */
export function flushOnTerminate(): void {
  app.hook.appTerminate(async () => {
    const services = composedServices()
    await services?.usage.flush()
    await Promise.all([services?.limiter.release(), ...(services?.background.map((work) => work.stop()) ?? [])])
  })
}
