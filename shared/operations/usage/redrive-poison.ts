import type { MessageQueue, ReceivedMessage } from '../../ports/queue.ts'
import type { Log } from '../../ports/runtime.ts'
import type { UsageCodec } from '../../ports/usage.ts'

interface RedriveOptions {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly poison: MessageQueue
  readonly codec: Pick<UsageCodec, 'raiseRedrives'>
  readonly log: Log
}

/** `stuck` messages need a person: unreadable, or re-driven ten times. They stay in the poison queue. */
export interface RedriveReport {
  readonly redriven: number
  readonly stuck: number
}

const RECEIVE_LIMIT = 32
const ROUNDS_MAX = 100
/** Longer than a run, shorter than the pause between two runs: every run sees every message once. */
const HIDDEN_SECONDS = 240
const REDRIVES_MAX = 10

/**
 * Re-drives poisoned usage messages, each under its own batch id, so a message that was counted after all is a
 * duplicate. Logs an error while the poison queue has messages. Drops no message.
 */
export async function redrivePoison({ queue, poison, codec, log }: RedriveOptions): Promise<RedriveReport> {
  const report = { redriven: 0, stuck: 0 }

  const redrive = async (message: ReceivedMessage): Promise<void> => {
    const raised = codec.raiseRedrives(message.body)
    if (raised !== undefined && raised.redrives <= REDRIVES_MAX) {
      await queue.send(raised.body)
      await poison.remove(message)
      report.redriven++
      return
    }
    report.stuck++
    if (message.expiresAt === null) return
    await poison.send(message.body)
    await poison.remove(message)
  }

  for (let round = 0; round < ROUNDS_MAX; round++) {
    const messages = await poison.receive(RECEIVE_LIMIT, HIDDEN_SECONDS)
    if (messages.length === 0) break
    for (const message of messages) await redrive(message)
  }
  if (report.redriven + report.stuck > 0) log('error', 'Usage messages were in the poison queue.', { ...report })
  return report
}
