import { keyLookup } from '../../../shared/operations/key-cache/key-lookup.ts'
import { rehashKeys } from '../../../shared/operations/keys/rehash-keys.ts'
import type { FakeServices } from '../memory/fake-services.ts'
import { noReplica } from '../memory/no-replica.ts'

/** The key lookup of another instance on the same stores. */
export function keyLookupElsewhere(services: FakeServices, change: Partial<Parameters<typeof keyLookup>[0]> = {}) {
  const { meter } = services.metrics
  const rehash = rehashKeys(services)
  const staleIfErrorMs = 900_000
  return keyLookup({
    ...services,
    staleIfErrorMs,
    replica: noReplica,
    scheduler: services.time.scheduler,
    meter,
    rehash,
    ...change,
  })
}
