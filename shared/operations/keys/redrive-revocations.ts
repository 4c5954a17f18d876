import type { RevocationCodec } from '../../ports/keys.ts'
import type { MessageQueue, ReceivedMessage } from '../../ports/queue.ts'
import type { Log } from '../../ports/runtime.ts'

interface RedriveRevocationsNeeds {
  readonly keyEvents: Pick<MessageQueue, 'send'>
  readonly keyEventsPoison: MessageQueue
  readonly revocationCodec: Pick<RevocationCodec, 'parse'>
}

/** `stuck`: no revocation of this version of the app. They stay in the poison queue. */
interface RedriveReport {
  readonly redriven: number
  readonly stuck: number
}

const RECEIVE_LIMIT = 32
const ROUNDS_MAX = 100
/** Shorter than the pause between two runs, so every run sees every message. */
const HIDDEN_SECONDS = 50

/**
 * Sends every poisoned revocation back to `key-events`, however often it came. Drops no message. Logs an error while the
 * poison queue has messages.
 */
export async function redriveRevocations(needs: RedriveRevocationsNeeds, log: Log): Promise<RedriveReport> {
  const { keyEvents, keyEventsPoison: poison } = needs
  const report = { redriven: 0, stuck: 0 }

  const redrive = async (message: ReceivedMessage): Promise<void> => {
    if (isRevocation(needs, message.body)) {
      await keyEvents.send(message.body)
      await poison.remove(message)
      report.redriven++
      return
    }
    report.stuck++
    // The host lets the messages that it moves here expire after 7 days.
    if (message.expiresAt === null) return
    await poison.send(message.body)
    await poison.remove(message)
  }

  for (let round = 0; round < ROUNDS_MAX; round++) {
    const messages = await poison.receive(RECEIVE_LIMIT, HIDDEN_SECONDS)
    if (messages.length === 0) break
    for (const message of messages) await redrive(message)
  }
  if (report.redriven + report.stuck > 0) log('error', 'Revocations were in the poison queue.', { ...report })
  return report
}

function isRevocation({ revocationCodec }: Pick<RedriveRevocationsNeeds, 'revocationCodec'>, body: string): boolean {
  try {
    revocationCodec.parse(body)
    return true
  } catch {
    return false
  }
}
