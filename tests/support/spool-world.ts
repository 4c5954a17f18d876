import { encodeUsageMessage, measureUsageDelta, parseUsageMessage } from '../../shared/contracts/usage-message.ts'
import { AppError } from '../../shared/domain/errors.ts'
import type { Key } from '../../shared/domain/key.ts'
import type { UsageBatch } from '../../shared/domain/usage.ts'
import { findGaps } from '../../shared/domain/usage-gaps.ts'
import { openMetrics } from '../../shared/metrics.ts'
import type { ChangeKeyNeeds } from '../../shared/operations/change-key.ts'
import { type LocalSpooling, localSpooling } from '../../shared/operations/local-spooling.ts'
import type { BufferedRecorder } from '../../shared/operations/record-usage.ts'
import type { Spool } from '../../shared/ports-spool.ts'
import { manualTime } from './manual-time.ts'
import { memorySpool } from './memory-spool.ts'

/** `lost`: messages arrive, and nobody learns of it. */
type QueueState = 'up' | 'down' | 'lost'

interface SpoolWorldOptions {
  readonly spool?: Spool
  /** Files that nobody has. */
  readonly left?: readonly Spool[]
  readonly needs?: ChangeKeyNeeds
}

const NO_KEYS = { keys: {}, knownKeys: { revokeHere: () => undefined } } as unknown as ChangeKeyNeeds

/** A spool that outlives processes, a queue that may be up, down or without replies, and time that the test moves. */
export function spoolWorld({ spool = memorySpool(), left = [], needs = NO_KEYS }: SpoolWorldOptions = {}) {
  const time = manualTime()
  const { meter } = openMetrics({ worker: 'tests' })
  const sent: string[] = []
  const strict: string[] = []
  const logged: string[] = []
  let queue: QueueState = 'up'
  let boots = 0
  let alive = 0

  const send = async (body: string): Promise<void> => {
    if (queue !== 'down') sent.push(body)
    if (queue !== 'up') throw new AppError('usage_unavailable', 'No reply.')
  }

  const strictRecorder: BufferedRecorder = {
    record: async ({ keyId }) => void strict.push(keyId),
    flush: async () => undefined,
    dropped: () => 0,
  }

  return {
    ...{ time, spool, sent, strict, logged, meter },
    setQueue: (state: QueueState) => {
      queue = state
    },
    /** Starts a process. The one before it, if any, is dead from now on: nothing that it does has any effect. */
    boot: (change: { open?: () => Spool | undefined } = {}): LocalSpooling => {
      alive = ++boots
      const boot = alive
      const isAlive = () => boot === alive
      const { clock, scheduler } = time
      return localSpooling({
        ...{ ...needs, clock, meter, jitter: () => 1, intervalMs: 5000 },
        scheduler: { after: (delayMs, task) => scheduler.after(delayMs, () => isAlive() && task()) },
        codec: { encode: encodeUsageMessage, measure: measureUsageDelta },
        hashIp: (address) => `hash-of-${address}`.slice(0, 32),
        log: (level, message) => void (isAlive() && logged.push(`${level} ${message}`)),
        queue: { send: (body) => (isAlive() ? send(body) : never) },
        open: () => ({ usage: whileAlive(spool.usage, isAlive), revocations: whileAlive(spool.revocations, isAlive) }),
        left: {
          visit: async (take) => {
            for (const one of left) await take(one)
          },
        },
        producer: `host.BOOT${boot}`,
        strict: () => strictRecorder,
        ...change,
      })
    },
    /** What the consumer makes of the messages: each batch once. */
    counted: (): Readonly<Record<string, number>> => countUses(uniqueBatches(sent)),
    batches: (): readonly UsageBatch[] => uniqueBatches(sent),
    /** Batches that reconciliation would miss, were all that is still spooled never to arrive. */
    gaps: () => findGaps(uniqueBatches(sent), new Date(0)),
  }
}

const never = new Promise<never>(() => undefined)

function whileAlive<Port extends object>(port: Port, isAlive: () => boolean): Port {
  return new Proxy(port, {
    get: (target, name) => {
      if (!isAlive()) throw new Error('The process is dead.')
      return Reflect.get(target, name)
    },
  })
}

/** Throws where one id stands for two different messages. */
function uniqueBatches(sent: readonly string[]): readonly UsageBatch[] {
  const bodies = new Map<string, string>()
  for (const body of sent) {
    const { batchId } = parseUsageMessage(body)
    if ((bodies.get(batchId) ?? body) !== body) throw new Error(`Two messages are called ${batchId}.`)
    bodies.set(batchId, body)
  }
  return [...bodies.values()].map(parseUsageMessage)
}

function countUses(batches: readonly UsageBatch[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { keyId, count } of batches.flatMap(({ deltas }) => deltas)) counts[keyId] = (counts[keyId] ?? 0) + count
  return counts
}

/** A key that is revoked, as it waits for the store. */
export function asPending(key: Key, at: Date): Key {
  return { ...key, revocation: { at, by: 'admin', reason: 'compromised', text: null } }
}
