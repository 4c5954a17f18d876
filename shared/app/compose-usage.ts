import { type LocalSpool, type LocalSpoolNeeds, localSpool } from '../operations/spool/local-spool.ts'
import { queueFirstRecorder } from '../operations/spool/queue-first-recorder.ts'
import type { MessageFallback } from '../operations/usage/message-sender.ts'
import { type BufferedRecorder, type QueueRecorderOptions, queueRecorder } from '../operations/usage/queue-recorder.ts'
import type { Random } from '../ports/runtime.ts'
import type { Config } from '../runtime/config.ts'

type Needs = Omit<LocalSpoolNeeds, 'producer' | 'strict' | 'intervalMs'> &
  Pick<QueueRecorderOptions, 'instance'> & { readonly random: Random }

/** The recorder that the settings select, and the local spool, which exists whatever they select. */
export function composeUsage(
  { usageDurability: durability, spoolIntervalSeconds }: Pick<Config, 'usageDurability' | 'spoolIntervalSeconds'>,
  needs: Needs,
): { readonly usage: BufferedRecorder; readonly localSpool: LocalSpool } {
  const { random, instance } = needs
  // Each recorder numbers its own messages, so each has its own boot id.
  const direct = (kind: 'strict' | 'relaxed', fallback?: MessageFallback) =>
    queueRecorder({ ...needs, durability: kind, boot: random.id(), ...(fallback && { fallback }) })
  let fallback: BufferedRecorder | undefined
  const spool = localSpool({
    ...needs,
    producer: `${instance}.${random.id()}`,
    intervalMs: spoolIntervalSeconds * 1000,
    strict: () => {
      fallback ??= direct('strict')
      return fallback
    },
  })
  const recorderOf: Readonly<Record<Config['usageDurability'], () => BufferedRecorder>> = {
    queue: () => queueFirstRecorder({ spool, direct: (whileDown) => direct('strict', whileDown) }),
    local: () => spool.recorder,
    strict: () => direct('strict'),
    relaxed: () => direct('relaxed'),
  }
  return { usage: recorderOf[durability](), localSpool: spool }
}
