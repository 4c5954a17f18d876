import { describeError, HostError } from './errors.ts'
import { type QueueTriggerOptions, startQueueTrigger } from './queue/queue-trigger.ts'
import { isDisabled } from './runtime/app-settings.ts'
import type { AppFunction } from './runtime/core.ts'
import type { Trigger } from './runtime/trigger.ts'
import { startTimerTrigger } from './timer/timer-trigger.ts'

export type Triggers = {
  /** Starts a function in the background. Undefined for an unknown or disabled function and for an HTTP trigger. */
  findManualStart: (functionName: string) => ((input: string) => void) | undefined
  stop: () => Promise<void>
}

const DURABLE = /^(?:orchestration|activity|entity)trigger$/i

/** Starts the queue and timer triggers. Throws HostError for a trigger that is invalid or not supported. */
export async function startTriggers(functions: Iterable<AppFunction>, options: QueueTriggerOptions): Promise<Triggers> {
  const triggers = new Map<string, Trigger>()
  const manualRuns = new Set<Promise<unknown>>()

  const stop = async () => {
    await Promise.all([...[...triggers.values()].map((trigger) => trigger.stop()), ...manualRuns])
  }

  try {
    for (const fn of functions) {
      const trigger = isDisabled(fn.name, options.environment) ? undefined : startTrigger(fn, options)
      if (trigger) triggers.set(fn.name.toLowerCase(), trigger)
    }
  } catch (error) {
    await stop()
    throw error
  }

  return {
    findManualStart: (functionName) => {
      const trigger = triggers.get(functionName.toLowerCase())
      if (!trigger) return undefined
      return (input) => {
        const run = trigger
          .start(input)
          .catch((error) => options.log('error', `${functionName} failed: ${describeError(error)}`))
          .finally(() => manualRuns.delete(run))
        manualRuns.add(run)
      }
    },
    stop,
  }
}

function startTrigger(fn: AppFunction, options: QueueTriggerOptions): Trigger | undefined {
  const { type } = fn.trigger
  switch (type.toLowerCase()) {
    case 'httptrigger':
      return undefined
    case 'queuetrigger':
      return startQueueTrigger(fn, options)
    case 'timertrigger':
      return startTimerTrigger(fn, options)
    default: {
      const kind = DURABLE.test(type) ? `Durable Functions (${type})` : `The trigger type "${type}"`
      throw new HostError(`${kind} of function "${fn.name}" is not supported by the local host yet.`)
    }
  }
}
