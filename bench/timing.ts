import { randomBytes } from 'node:crypto'
import { HttpRequest } from '@azure/functions'
import { keysMe } from '../functions/keys-me.ts'
import { oneProvider } from '../shared/domain/access/provider-scope.ts'
import { generateSecret } from '../shared/domain/keys/key-format.ts'
import { writeRevocation } from '../shared/operations/keys/revoke-key.ts'
import { type FakeServices, fakeServices } from '../tests/support/memory/fake-services.ts'
import { makeKey } from '../tests/support/requests/callers.ts'
import { median, print, reportGoal, round } from './support/report.ts'
import { type Probe, pairedT, timeClasses, welchT } from './support/welch.ts'

// Whether the time of an answer leaks more about a key than the answer. Runs in process, where a few nanoseconds show.
// `refusal` is the whole 401 of a holder, the same answer for a revoked key, an expired key, a guess that differs from
// a good key in one character, and any other guess. `look-up` is its first part, up to whether the key exists; it
// includes good keys. |t| below 4.5 is the usual bound of such tests. `node bench/timing.ts [samples] [seed]`.

const [samples = 20_000, seed = 1] = process.argv.slice(2).map(Number)
// Few, as an attacker would retry them: with many keys, the processor's cache dominates the differences.
const KEYS_PER_CLASS = 8
const T_MAX = 4.5

/** Each world has its own keys. All worlds together take 20,000 samples of each class. */
const WORLDS = 25

const services = fakeServices()
const { known, ...refused } = await makeClasses(services)
const { revoked, unknown, near } = refused

/** Planted leak: refuses an unknown key before hashing it. */
const absent = await services.keyLookup.find(unknown[0] ?? '', true)
const find: typeof services.keyLookup.find = (secret, bypassCache) =>
  revoked.includes(secret) ? services.keyLookup.find(secret, bypassCache) : absent
const refuseUnhashed = refuseFrom({ ...services, keyLookup: { ...services.keyLookup, find } })
/** Planted leak: a comparison that ends at the first differing character. */
const compareUntilDifferent: Probe = (secret) => known.some((key) => isSameText(key, secret))

const options = { samples, seed }
const refusal = worstT('refusal', await timeClasses(refused, refuseFrom(services), options))
const look = worst('look-up', await timeLookUps((world) => world.keyLookup.find), pairedT)
/** Planted leak: reports an unknown key without the lookup that all other keys take. */
const skipped = worst('planted: not looked up', await timeLookUps(findUnlessUnknown), pairedT)
const unhashed = worstT('planted: not hashed', await timeClasses({ revoked, unknown }, refuseUnhashed, options))
const compared = worstT('planted: compared', await timeClasses({ near, unknown }, compareUntilDifferent, options))
reportGoal({ name: 'timing-refusal', value: refusal, unit: '|t|', atMost: T_MAX })
reportGoal({ name: 'timing-look-up', value: look, unit: '|t|', atMost: T_MAX })
reportGoal({ name: 'timing-planted-look-up', value: skipped, unit: '|t|', atLeast: T_MAX })
reportGoal({ name: 'timing-planted-unhashed', value: unhashed, unit: '|t|', atLeast: T_MAX })
reportGoal({ name: 'timing-planted-comparison', value: compared, unit: '|t|', atLeast: T_MAX })

function worstT(what: string, timings: Readonly<Record<string, Float64Array>>): number {
  for (const [name, times] of Object.entries(timings)) print(`${what}, ${name}: median ${round(median([...times]))} ns`)
  return worst(what, timings, welchT)
}

/** Returns the largest |t| between any two classes. Prints the |t| of every pair. */
function worst<T>(what: string, timings: Readonly<Record<string, T>>, tOf: (one: T, other: T) => number): number {
  const entries = Object.entries(timings)
  const pairs = entries.flatMap(([name, times], index) =>
    entries.slice(index + 1).map(([other, otherTimes]) => ({ pair: `${name} - ${other}`, t: tOf(times, otherTimes) })),
  )
  for (const { pair, t } of pairs) print(`${what}, ${pair}: t ${round(t)}`)
  return Math.max(...pairs.map(({ t }) => Math.abs(t)))
}

function findUnlessUnknown({ keyLookup, digests }: FakeServices, unknown: readonly string[]) {
  const none = { value: undefined, ageMs: 0, degraded: false, source: 'memory' } as const
  const absent = new Set(unknown.map((secret) => digests.cacheIndex(secret)))
  const find: typeof keyLookup.find = (secret, bypassCache) =>
    absent.has(digests.cacheIndex(secret)) ? none : keyLookup.find(secret, bypassCache)
  return find
}

async function timeLookUps(
  findIn: (world: FakeServices, unknown: readonly string[]) => FakeServices['keyLookup']['find'],
): Promise<Readonly<Record<'known' | 'revoked' | 'unknown', readonly Float64Array[]>>> {
  const timings = { known: [], revoked: [], unknown: [] } as Record<'known' | 'revoked' | 'unknown', Float64Array[]>
  for (let index = 0; index < WORLDS; index++) {
    const world = fakeServices()
    const classes = await makeClasses(world)
    const { known, revoked, unknown } = classes
    const find = findIn(world, unknown)
    const lookUp: Probe = (secret) => find(secret, false)
    const times = await timeClasses({ known, revoked, unknown }, lookUp, {
      samples: samples / WORLDS,
      seed: seed + index,
    })
    for (const name of ['known', 'revoked', 'unknown'] as const) timings[name].push(times[name])
  }
  return timings
}

/** Keys of each class, all cached by this instance. */
async function makeClasses(world: FakeServices) {
  const soon = new Date(world.clock.now().getTime() + 1000)
  const make = (expiresAt: Date | null = null) =>
    Promise.all(Array.from({ length: KEYS_PER_CLASS }, () => makeKey(world, { expiresAt })))
  const [good, toRevoke, toExpire] = [await make(), await make(), await make(soon)]
  for (const { key } of toRevoke) {
    await writeRevocation(world, oneProvider('acme'), {
      ...{ keyId: key.keyId, reason: 'compromised', text: null, replacedBy: null, by: 'admin' },
    })
  }
  await world.time.advance(2000)
  const secrets = {
    known: good.map(({ secret }) => secret),
    revoked: toRevoke.map(({ secret }) => secret),
    expired: toExpire.map(({ secret }) => secret),
    unknown: Array.from({ length: KEYS_PER_CLASS }, () => generateSecret('live', randomBytes)),
    near: good.map(({ secret }) => nearTo(secret)),
  }
  for (const secret of Object.values(secrets).flat()) await world.keyLookup.find(secret, true)
  return secrets
}

/** A well-formed key whose random part differs from that of `secret` only in its last character. */
function nearTo(secret: string): string {
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const digits = [...secret.slice('permas_live_'.length, -'123456'.length)].map((digit) => alphabet.indexOf(digit))
  digits.push((Number(digits.pop()) + 1) % alphabet.length)
  return generateSecret('live', () => Uint8Array.from(digits))
}

function isSameText(left: string, right: string): boolean {
  for (let position = 0; position < left.length; position++) {
    if (left.charCodeAt(position) !== right.charCodeAt(position)) return false
  }
  return left.length === right.length
}

/** The whole call of a holder. Throws unless it is refused with 401. */
function refuseFrom(world: FakeServices): Probe {
  return async (secret) => {
    const headers = { 'x-api-key': secret }
    const request = new HttpRequest({ method: 'GET', url: 'http://localhost/auth/keys/me', headers })
    const { status } = await keysMe.run(
      request,
      () => world,
      () => undefined,
    )
    if (status !== 401) throw new Error(`A key that must be refused was answered with ${status}.`)
  }
}
