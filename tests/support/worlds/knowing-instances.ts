import { DatabaseSync } from 'node:sqlite'
import { sqliteKeyReplica } from '../../../shared/adapters/sqlite/key-replica.ts'
import { everyProvider, oneProvider } from '../../../shared/domain/access/provider-scope.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import type { KeyLookup } from '../../../shared/operations/key-cache/key-lookup.ts'
import { type ProviderSettings, putProvider } from '../../../shared/operations/keys/put-provider.ts'
import { writeRevocation } from '../../../shared/operations/keys/revoke-key.ts'
import { fakeServices } from '../memory/fake-services.ts'
import { keyLookupElsewhere } from './key-lookup-elsewhere.ts'

/** The parts of the store that do not answer. */
export interface Outage {
  /** Reads of keys and providers. */
  rows: boolean
  /** This instance refuses the reads of keys and providers itself. */
  full: boolean
  feed: boolean
}

/** Instances over one store in memory that can go down. An instance has a replica if it is given a disk. */
export function knowingInstances() {
  const down: Outage = { rows: false, full: false, feed: false }
  const asked = { keys: 0, polls: 0 }
  const services = fakeServices(({ keys, providers, feed }) => ({
    keys: {
      ...keys,
      findByDigest(scope, digest) {
        asked.keys++
        return refuse(down.rows, down.full) ?? keys.findByDigest(scope, digest)
      },
    },
    providers: { ...providers, find: (scope) => refuse(down.rows, down.full) ?? providers.find(scope) },
    feed: {
      append: feed.append,
      read(from, until) {
        asked.polls++
        return refuse(down.feed) ?? feed.read(from, until)
      },
    },
  }))
  const outage = (isDown: boolean): void => {
    down.rows = isDown
    down.feed = isDown
  }
  const revoke = (keyId: string) =>
    writeRevocation(services, everyProvider, { keyId, reason: 'policy', text: null, replacedBy: null, by: 'admin' })
  const put = (change: Partial<ProviderSettings>) =>
    putProvider(services, oneProvider('acme'), { ...openProvider, ...change }, 'admin')
  return { ...{ services, down, outage, asked, revoke, put }, time: services.time, instance: instanceOf(services) }
}

/** Makes another instance. On the `disk` of an earlier instance it is that instance, restarted. */
function instanceOf(services: ReturnType<typeof fakeServices>) {
  return (disk?: DatabaseSync, change: Parameters<typeof keyLookupElsewhere>[1] = {}): KeyLookup =>
    keyLookupElsewhere(services, { ...(disk && { replica: sqliteKeyReplica(() => disk) }), ...change })
}

export function makeDisk(): DatabaseSync {
  return new DatabaseSync(':memory:')
}

function refuse(isDown: boolean, isFull = false): Promise<never> | undefined {
  if (isFull) return Promise.reject(new AppError('overloaded', 'Too many requests are under way.'))
  return isDown
    ? Promise.reject(new AppError('store_unavailable', 'The store is down.', { retryAfterSeconds: 1 }))
    : undefined
}

const openProvider: ProviderSettings = {
  ...{ name: null, status: 'active', failMode: 'open', rateLimits: [] },
  quotas: { requestsPerDay: null, requestsPerMonth: null, maxKeys: null, keysPerHour: null },
}
