import { AppError } from '../../domain/errors.ts'
import { dayName } from '../../domain/usage/calendar.ts'
import type { PoisonStore } from '../../ports/poison.ts'
import type { MessageQueue, ReceivedMessage } from '../../ports/queue.ts'
import type { UsageCodec, UsageLedger } from '../../ports/usage.ts'
import { type SetAsideNeeds, setAside } from './set-aside.ts'

interface RedriveOptions extends SetAsideNeeds {
  readonly queue: Pick<MessageQueue, 'send'>
  readonly poison: MessageQueue
  readonly poisoned: Pick<PoisonStore, 'put' | 'page'>
  readonly codec: Pick<UsageCodec, 'parse' | 'erase' | 'raiseRedrives'>
  readonly ledger: Pick<UsageLedger, 'readMeta'>
}

/**
 * `stuck` messages need a person: unreadable, or re-driven ten times. They are set aside in the poison store. `waiting`
 * messages stay in the poison queue until the tables answer.
 */
export interface RedriveReport {
  readonly redriven: number
  readonly stuck: number
  readonly waiting: number
}

const RECEIVE_LIMIT = 32
const ROUNDS_MAX = 100
/** Longer than a run, shorter than the pause between two runs: every run sees every message once. */
const HIDDEN_SECONDS = 240
const REDRIVES_MAX = 10

/**
 * Re-drives the messages of the poison queue, each under its own batch id, so a message that was counted after all is a
 * duplicate. Re-drives only while the tables answer, so an outage uses up none of a message's ten re-drives. Logs an
 * error while messages are in the poison queue or the poison store. Drops no message.
 */
export async function redrivePoison(options: RedriveOptions): Promise<RedriveReport> {
  const { poison, poisoned, log } = options
  const report = { redriven: 0, stuck: 0, waiting: 0 }
  const canCount = await tablesAnswer(options)
  const handle = canCount ? redrive : keepWaiting
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const messages = await poison.receive(RECEIVE_LIMIT, HIDDEN_SECONDS)
    if (messages.length === 0) break
    for (const message of messages) report[await handle(options, message)]++
  }
  const setAside = canCount && (await poisoned.page({ limit: 1, after: null })).items.length > 0
  if (setAside || report.redriven + report.stuck + report.waiting > 0) {
    log('error', 'Usage messages are in poison.', { ...report, setAside })
  }
  return report
}

async function redrive(options: RedriveOptions, message: ReceivedMessage): Promise<'redriven' | 'stuck'> {
  const { queue, poison, codec } = options
  const raised = codec.raiseRedrives(message.body)
  if (raised !== undefined && raised.redrives <= REDRIVES_MAX) {
    await queue.send(raised.body)
    await poison.remove(message)
    return 'redriven'
  }
  if (raised === undefined) await setAside(options, message.body, 'unreadable', faultOf(codec, message.body))
  else await setAside(options, message.body, 'delivered_too_often', `re-driven ${REDRIVES_MAX} times`)
  await poison.remove(message)
  return 'stuck'
}

/** The Functions host lets the messages that it puts into the poison queue expire. */
async function keepWaiting({ poison }: RedriveOptions, message: ReceivedMessage): Promise<'waiting'> {
  if (message.expiresAt !== null) {
    await poison.send(message.body)
    await poison.remove(message)
  }
  return 'waiting'
}

async function tablesAnswer({ ledger, clock }: RedriveOptions): Promise<boolean> {
  try {
    await ledger.readMeta({ day: dayName(clock.now()), shard: '00' })
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}

function faultOf(codec: Pick<UsageCodec, 'parse'>, body: string): string {
  try {
    codec.parse(body)
    return 'unreadable'
  } catch (error) {
    return error instanceof Error ? error.message : 'unreadable'
  }
}
