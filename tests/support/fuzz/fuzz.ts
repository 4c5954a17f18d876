import fc from 'fast-check'
import { brokenPromises } from '../contracts/reply-promises.ts'
import type { Endpoint } from '../requests/call.ts'
import { findSecrets } from '../runs/find-secrets.ts'
import { type FuzzWorld, fuzzWorld } from './fuzz-world.ts'
import { generateRequest } from './generate-request.ts'
import { type Sent, sender } from './send-generated.ts'

export interface FuzzOptions {
  /** The same seed generates the same requests. Default: a new seed. */
  readonly seed?: number
  /** The number of sequences, each sent into a new world. */
  readonly sequences: number
}

export interface FuzzReport {
  readonly seed: number
  /** Requests that reached an endpoint. */
  readonly requests: number
  /** The number of answers by `<endpoint> <status>`. */
  readonly answers: ReadonlyMap<string, number>
  /** The slowest answer and its duration. */
  readonly slowest: { readonly answer: string; readonly durationMs: number }
  /** The shortest failing sequence found, and the broken promises of its last answer. */
  readonly failure: string | undefined
}

const SEQUENCE_LENGTH = 80

/** Sends sequences of generated requests and checks the promises of every reply. Stops at the first failure. */
export async function fuzz(endpoints: readonly Endpoint[], options: FuzzOptions): Promise<FuzzReport> {
  const send = sender(endpoints)
  const answers = new Map<string, number>()
  let slowest = { answer: '', durationMs: 0 }
  const sequence = fc.array(fc.oneof(...endpoints.map(generateRequest)), {
    ...{ minLength: 1, maxLength: SEQUENCE_LENGTH, size: 'max' },
  })
  const property = fc.asyncProperty(sequence, async (requests) => {
    const world = await fuzzWorld()
    for (const request of requests) {
      const startedAtMs = performance.now()
      const sent = await send(world, request)
      const durationMs = performance.now() - startedAtMs
      if (sent === undefined) continue
      const answer = `${sent.endpoint.name} ${sent.answered.status}`
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (durationMs > slowest.durationMs) slowest = { answer, durationMs }
      expectPromisesKept(world, sent, answer)
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

/** Throws every broken promise of the answer. */
function expectPromisesKept(world: FuzzWorld, { endpoint, answered }: Sent, answer: string): void {
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

/** Includes the admin key, which has another format and must not appear in a reply either. */
function secretsOf({ values }: FuzzWorld): ReadonlyMap<string, string> {
  const { keyId, revokedKeyId, ...secrets } = values
  return new Map(Object.entries(secrets))
}
