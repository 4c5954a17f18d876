import type { RecordedUse } from '../../ports/usage.ts'
import type { MessageFallback } from '../usage/message-sender.ts'
import type { BufferedRecorder } from '../usage/queue-recorder.ts'
import type { LocalSpool } from './local-spool.ts'

interface QueueFirstNeeds {
  readonly spool: Pick<LocalSpool, 'opened' | 'recorder'>
  /** Makes the recorder that waits for the queue. */
  readonly direct: (fallback: MessageFallback) => BufferedRecorder
}

/**
 * `record` resolves when the queue has the use, or, while the queue does not answer, when the local disk has it: then
 * as `degraded`. A message without an acknowledgement goes to the disk under its id, since it may have arrived. Without
 * a disk, uses wait for the queue.
 */
export function queueFirstRecorder({ spool, direct }: QueueFirstNeeds): BufferedRecorder {
  const recorder = direct(messageFallback(spool))
  return {
    record: (event) => {
      const local = spool.opened()
      if (local?.drain.isQueueDown() !== true) return recorder.record(event)
      return local.recorder.record(event).then(asDegraded)
    },
    flush: async () => {
      await recorder.flush()
      await spool.recorder.flush()
    },
    dropped: () => 0,
  }
}

function messageFallback(spool: Pick<LocalSpool, 'opened'>): MessageFallback {
  let anyKept = false
  return {
    isActive: () => spool.opened()?.drain.isQueueDown() === true,
    observe: (result) => spool.opened()?.drain.observe(result),
    keep: async (message) => {
      const isKept = (await spool.opened()?.recorder.keep(message)) === true
      anyKept ||= isKept
      return isKept
    },
    oldestKept: (producer) => (anyKept ? spool.opened()?.usage.numbering(producer).oldestWaiting : undefined),
  }
}

function asDegraded(): RecordedUse {
  return 'degraded'
}
