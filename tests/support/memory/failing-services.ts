import { type FakeServices, fakeServices } from './fake-services.ts'

/** The same services with stores that fail every call, and with nothing cached. */
export function failingServices(services: FakeServices, error: Error): FakeServices {
  const fail = () => Promise.reject(error)
  const broken = <Store extends object>(store: Store): Store =>
    Object.fromEntries(Object.keys(store).map((method) => [method, fail])) as Store
  const { time, queue } = services
  const wrapped = fakeServices(({ keys, providers, idempotency, pushes, keyEvents }) => ({
    ...{ keys: broken(keys), providers: broken(providers), idempotency: broken(idempotency), pushes: broken(pushes) },
    keyEvents: broken(keyEvents),
  }))
  const { reports, ledger, journal, poisoned } = wrapped
  return {
    ...wrapped,
    poisoned: broken(poisoned),
    reports: broken(reports),
    ledger: broken(ledger),
    journal: broken(journal),
    time,
    queue,
  }
}
