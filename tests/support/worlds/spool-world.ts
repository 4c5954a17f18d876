import { encodeUsageMessage, measureUsageDelta, parseUsageMessage } from '../../../shared/contracts/usage-message.ts'
import { AppError } from '../../../shared/domain/errors.ts'
import type { Key } from '../../../shared/domain/keys/key.ts'
import type { ClosedBoot, OpenBoot } from '../../../shared/domain/usage/boots.ts'
import { sequenceLog } from '../../../shared/domain/usage/sequence-gaps.ts'
import type { UsageBatch } from '../../../shared/domain/usage/usage.ts'
import type { ChangeKeyNeeds } from '../../../shared/operations/keys/change-key.ts'
import { type LocalSpool, type LocalSpoolNeeds, localSpool } from '../../../shared/operations/spool/local-spool.ts'
import { queueFirstRecorder } from '../../../shared/operations/spool/queue-first-recorder.ts'
import type { MessageFallback } from '../../../shared/operations/usage/message-sender.ts'
import { type BufferedRecorder, queueRecorder } from '../../../shared/operations/usage/queue-recorder.ts'
import type { Spool } from '../../../shared/ports/spool.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'
import { manualTime } from '../memory/manual-time.ts'
import { memorySpool } from '../memory/memory-spool.ts'
import { memoryUsageBoots } from '../memory/memory-usage-boots.ts'

/** `lost`: messages arrive, but every acknowledgement is lost. `rejected`: this process refuses to send. */
type QueueState = 'up' | 'down' | 'lost' | 'rejected'

interface SpoolWorldOptions {
  readonly spool?: Spool
  /** The files of processes that never came back. */
  readonly orphaned?: readonly Spool[]
  readonly needs?: ChangeKeyNeeds
}

type BootChange = Partial<Pick<LocalSpoolNeeds, 'open'>>

const NO_KEYS = { keys: {}, keyLookup: { revokeHere: () => undefined } } as unknown as ChangeKeyNeeds

/** A spool that outlives processes, a queue that may be up, down or without replies, and manual time. */
export function spoolWorld({ spool = memorySpool(), orphaned = [], needs = NO_KEYS }: SpoolWorldOptions = {}) {
  const time = manualTime()
  const { meter } = openMetrics({ worker: 'tests' })
  const [sent, strict, logged] = [[] as string[], [] as string[], [] as string[]]
  const bootStore = failingBoots()
  const life = lives()
  let queue: QueueState = 'up'

  const send = async (body: string): Promise<void> => {
    if (queue === 'rejected') throw new Error('Too many requests are in flight.')
    if (queue !== 'down') sent.push(body)
    if (queue !== 'up') throw new AppError('usage_unavailable', 'No reply.')
  }

  const strictRecorder: BufferedRecorder = {
    record: async ({ keyId }) => {
      if (life.isDead()) return never
      strict.push(keyId)
      return 'recorded'
    },
    flush: async () => undefined,
    dropped: () => 0,
  }

  const boot = (change: BootChange = {}) => {
    const { number, isAlive, step, guard } = life.begin()
    const { clock, scheduler } = time
    const needsOfBoot: LocalSpoolNeeds = {
      ...{ ...needs, clock, meter, jitter: () => 1, intervalMs: 5000 },
      scheduler: { after: (delayMs, task) => scheduler.after(delayMs, () => isAlive() && task()) },
      codec: { encode: encodeUsageMessage, measure: measureUsageDelta },
      hashIp: (address) => `hash-of-${address}`.slice(0, 32),
      log: (level, message) => void (isAlive() && logged.push(`${level} ${message}`)),
      queue: { send: (body) => (isAlive() ? step(() => send(body)) : never) },
      open: () => ({ usage: guard(spool.usage), revocations: guard(spool.revocations) }),
      orphaned: {
        visit: async (take) => {
          for (const one of orphaned) await take(one)
        },
      },
      boots: {
        report: (boot) => (isAlive() ? step(() => bootStore.boots.report(boot)) : never),
        close: (boot) => (isAlive() ? step(() => bootStore.boots.close(boot)) : never),
      },
      producer: `host.BOOT${number}`,
      strict: () => strictRecorder,
      ...change,
    }
    return { number, needs: needsOfBoot, local: localSpool(needsOfBoot) }
  }

  return {
    ...{ time, spool, sent, strict, logged, meter, bootStore },
    setQueue: (state: QueueState) => {
      queue = state
    },
    ...{ dieAt: life.dieAt, isDead: life.isDead },
    /** Starts a process. The process before it is dead from now on: nothing that it does has any effect. */
    boot: (change: BootChange = {}): LocalSpool => boot(change).local,
    /** Starts a process whose uses go to the queue first. */
    bootQueueFirst: (change: BootChange = {}) => {
      const { number, needs: needsOfBoot, local } = boot(change)
      const names = { instance: 'host', boot: `DIRECT${number}`, durability: 'strict' } as const
      const direct = (fallback: MessageFallback) => queueRecorder({ ...needsOfBoot, ...names, fallback })
      return { recorder: queueFirstRecorder({ spool: local, direct }), spool: local }
    },
    /** The uses by key as a consumer counts them: each batch once. */
    counted: (): Readonly<Record<string, number>> => countUses(uniqueBatches(sent)),
    batches: (): readonly UsageBatch[] => uniqueBatches(sent),
    /** The gaps that reconciliation would report if no spooled batch ever arrived. */
    gaps: () => gapsOf(uniqueBatches(sent)),
  }
}

function gapsOf(batches: readonly UsageBatch[]) {
  const log = sequenceLog()
  for (const batch of batches) log.add(batch)
  return log.gaps(new Date(0))
}

/** Boots in a store that may be down. */
function failingBoots() {
  const journal = memoryUsageBoots()
  const store = {
    journal,
    isDown: false,
    calls: 0,
    boots: {
      report: (boot: OpenBoot) => tell(() => journal.report(boot)),
      close: (boot: ClosedBoot) => tell(() => journal.close(boot)),
    },
    openBoots: () => Array.fromAsync(journal.open()),
    closedBoots: () => Array.fromAsync(journal.closedOn('20261122')),
  }
  const tell = async (write: () => Promise<void>): Promise<void> => {
    store.calls++
    if (store.isDown) throw new AppError('store_unavailable', 'No reply.')
    await write()
  }
  return store
}

/** Processes, one after another. Only the last process may be alive. */
function lives() {
  let born = 0
  let alive = 0
  let death: { readonly step: number; readonly when: 'before' | 'after' } | undefined
  let steps = 0

  const assertAlive = (number: number) => {
    if (number !== alive) throw new Error('The process is dead.')
  }

  return {
    /** The process dies at this step from now on. A step is a call to the spool or a message. */
    dieAt: (step: number, when: 'before' | 'after') => {
      death = { step, when }
    },
    isDead: () => alive === 0,
    begin: () => {
      alive = ++born
      const number = alive
      const step = <Result>(take: () => Result): Result => {
        const due = death !== undefined && ++steps === death.step
        if (due && death?.when === 'before') alive = 0
        assertAlive(number)
        const result = take()
        if (due) alive = 0
        assertAlive(number)
        return result
      }
      const guard = <Port extends object>(port: Port): Port =>
        new Proxy(port, {
          get: (target, name) => {
            const method = Reflect.get(target, name) as (...args: readonly unknown[]) => unknown
            return (...args: readonly unknown[]) => step(() => method(...args))
          },
        })
      return { number, step, guard, isAlive: () => number === alive }
    },
  }
}

const never = new Promise<never>(() => undefined)

/** Throws when one id names two different messages. */
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

/** Boots and starts a process. */
export function startProcess(world: Pick<ReturnType<typeof spoolWorld>, 'boot'>): LocalSpool {
  const process = world.boot()
  process.start()
  return process
}

/** A revoked key that waits for the store. */
export function asPending(key: Key, at: Date): Key {
  return { ...key, revocation: { at, by: 'admin', reason: 'compromised', text: null } }
}
