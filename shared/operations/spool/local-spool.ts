import type { RevocationSpool } from '../../ports/keys.ts'
import type { Background } from '../../ports/runtime.ts'
import type { OrphanedSpools, Spool } from '../../ports/spool.ts'
import type { BootReports } from '../../ports/usage-boots.ts'
import { throttledWarnings } from '../throttled-warnings.ts'
import type { BufferedRecorder } from '../usage/queue-recorder.ts'
import { type BatchNeeds, batchOrphanedUses } from './batch-uses.ts'
import { type BootLog, bootLog, closeSent } from './boot-log.ts'
import { type DrainNeeds, drainOnce, type SpoolDrain, spoolDrain } from './drain-spool.ts'
import { type ReplayNeeds, replayRevocations, revocationReplay } from './replay-revocations.ts'
import { type SpoolRecorder, spoolRecorder } from './spool-recorder.ts'

export interface LocalSpoolNeeds extends DrainNeeds, BatchNeeds, ReplayNeeds {
  /** Opens this process's file. Returns undefined when no file is available. Called once. */
  readonly open: () => Spool | undefined
  readonly orphaned: OrphanedSpools
  /** `<instance>.<boot>`, unique to this start of the process. */
  readonly producer: string
  readonly boots: BootReports
  /** Records uses when there is no file. */
  readonly strict: () => BufferedRecorder
}

/** What waits on the local disk. */
export interface SpoolState {
  readonly batches: number
  readonly bytes: number
  /** 0 when no batch waits. */
  readonly oldestAgeMs: number
  readonly pendingRevocations: number
}

/** Everything that waits on the local disk for a dependency. Opens nothing before `start` or the first call. */
export interface LocalSpool extends Background {
  readonly recorder: BufferedRecorder
  /** `put` throws when there is no file. */
  readonly pendingRevocations: Pick<RevocationSpool, 'put'>
  /** Returns undefined when there is no file, or after it failed. */
  state(): SpoolState | undefined
  /** The spool in use; undefined when there is no file, or after it failed. */
  opened(): OpenSpool | undefined
}

export interface OpenSpool extends Spool {
  readonly drain: SpoolDrain
  readonly boots: BootLog
  readonly recorder: SpoolRecorder
}

const ADOPT_EVERY_MS = 30_000

/**
 * At start, revocations of an earlier process take effect again and are replayed first; then its uses are sent.
 * Orphaned files are drained too, at start and every 30 s.
 */
export function localSpool(needs: LocalSpoolNeeds): LocalSpool {
  const opened = once(() => openSpool(needs))
  const replay = revocationReplay(needs, () => opened()?.revocations)
  const warn = throttledWarnings(needs.log, needs.clock)
  let cancelAdoption: () => void = () => undefined

  const working = (): OpenSpool | undefined => {
    const local = opened()
    return local?.recorder.hasFailed() ? undefined : local
  }

  const adopt = (): void => {
    const adopting = needs.orphaned.visit((spool) => drainOrphanedSpool(needs, spool))
    void adopting.catch(() => warn('What another process left on the local disk is not sent yet.', {}))
    cancelAdoption = needs.scheduler.after(ADOPT_EVERY_MS, adopt)
  }

  return {
    recorder: {
      record: (event) => (opened()?.recorder ?? needs.strict()).record(event),
      flush: () => (opened()?.recorder ?? needs.strict()).flush(),
      dropped: () => 0,
    },
    pendingRevocations: {
      put: (key) => {
        const local = opened()
        if (local === undefined) throw new Error('There is no local database.')
        local.revocations.put(key)
        replay.added()
      },
    },
    opened: working,
    state: () => {
      const local = working()
      if (local === undefined) return undefined
      const { batches, bytes, oldestMadeAtMs } = local.usage.fill()
      const oldestAgeMs = oldestMadeAtMs === undefined ? 0 : Math.max(0, needs.clock.now().getTime() - oldestMadeAtMs)
      return { batches, bytes, oldestAgeMs, pendingRevocations: replay.waiting() }
    },
    start: () => {
      opened()?.boots.watch()
      void replay.now().finally(() => opened()?.drain.wake())
      adopt()
    },
    stop: async () => {
      cancelAdoption()
      replay.stop()
      await opened()?.drain.stop()
      await working()?.boots.stop()
    },
  }
}

function openSpool(needs: LocalSpoolNeeds): OpenSpool | undefined {
  try {
    const spool = needs.open()
    if (spool === undefined) return undefined
    for (const key of spool.revocations.list()) needs.keyLookup.revokeHere(key)
    batchOrphanedUses(needs, spool.usage)
    const drain = spoolDrain(needs, spool.usage)
    const boots = bootLog(needs, spool.usage)
    return { ...spool, drain, boots, recorder: spoolRecorder({ ...needs, spool: spool.usage, drain, boots }) }
  } catch {
    needs.log('error', 'The local spool cannot be read. It is left as it is, and uses go to the queue at once.')
    return undefined
  }
}

async function drainOrphanedSpool(needs: LocalSpoolNeeds, { usage, revocations }: Spool): Promise<void> {
  for (const key of revocations.list()) needs.keyLookup.revokeHere(key)
  await replayRevocations(needs, revocations)
  batchOrphanedUses(needs, usage)
  await drainOnce(needs, usage)
  await closeSent(needs, usage)
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
