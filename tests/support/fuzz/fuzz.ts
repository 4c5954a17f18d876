import fc from 'fast-check'
import { brokenPromises } from '../contracts/reply-promises.ts'
import type { Endpoint } from '../requests/call.ts'
import { findSecrets } from '../runs/find-secrets.ts'
import { drawRequest } from './draw-request.ts'
import { type FuzzWorld, fuzzWorld } from './fuzz-world.ts'
import { type Sent, sender } from './send-drawn.ts'

export interface FuzzOptions {
  /** The same for the same drawn requests; a new one where absent. */
  readonly seed?: number
  /** Sequences of requests, each sent into a world of its own. */
  readonly sequences: number
}

export interface FuzzReport {
  readonly seed: number
  /** Requests that reached an endpoint. */
  readonly requests: number
  /** `<endpoint> <status>` to how many. */
  readonly answers: ReadonlyMap<string, number>
  /** The one that took longest, and how long. */
  readonly slowest: { readonly answer: string; readonly durationMs: number }
  /** The shortest sequence found whose last request was answered badly, and in what way. */
  readonly failure: string | undefined
}

const SEQUENCE_LENGTH = 80

/** Sends sequences of drawn requests and holds every reply against what every reply promises. Stops at the first bad one. */
export async function fuzz(endpoints: readonly Endpoint[], options: FuzzOptions): Promise<FuzzReport> {
  const send = sender(endpoints)
  const answers = new Map<string, number>()
  let slowest = { answer: '', durationMs: 0 }
  const drawn = fc.array(fc.oneof(...endpoints.map(drawRequest)), {
    ...{ minLength: 1, maxLength: SEQUENCE_LENGTH, size: 'max' },
  })
  const property = fc.asyncProperty(drawn, async (requests) => {
    const world = await fuzzWorld()
    for (const request of requests) {
      const startedAtMs = performance.now()
      const sent = await send(world, request)
      const durationMs = performance.now() - startedAtMs
      if (sent === undefined) continue
      const answer = `${sent.endpoint.name} ${sent.answered.status}`
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (durationMs > slowest.durationMs) slowest = { answer, durationMs }
      hold(world, sent, answer)
    }
  })
  const run = await fc.check(property, {
    numRuns: options.sequences,
    ...(options.seed !== undefined && { seed: options.seed }),
  })
  const failure = `seed ${run.seed}, path ${run.counterexamplePath}: ${run.errorInstance}\n${fc.stringify(run.counterexample)}`
  return {
    seed: run.seed,
    requests: [...answers.values()].reduce((sum, count) => sum + count, 0),
    answers,
    slowest,
    failure: run.failed ? failure : undefined,
  }
}

/** Throws what is wrong with the answer. */
function hold(world: FuzzWorld, { endpoint, answered }: Sent, answer: string): void {
  const shown = `${JSON.stringify(answered.headers)}${answered.text}`
  const faults = [
    ...(answered.status >= 500 ? ['a fault of ours'] : []),
    ...brokenPromises(endpoint.name, answered),
    ...findSecrets(secretsOf(world), [{ name: 'the reply', content: shown }]),
  ]
  if (faults.length === 0) return
  const logged = JSON.stringify(answered.logged)
  throw new Error(`${answer}: ${faults.join('; ')}\nreply ${shown.slice(0, 2000)}\nlog ${logged.slice(0, 2000)}`)
}

/** The admin key is no key of ours by its form, and must come back nowhere either. */
function secretsOf({ cast }: FuzzWorld): ReadonlyMap<string, string> {
  const { keyId, revokedKeyId, ...secrets } = cast
  return new Map(Object.entries(secrets))
}
