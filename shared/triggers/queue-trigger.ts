import { app, type InvocationContext } from '@azure/functions'
import type { Services } from '../app/services.ts'
import { services } from '../app/worker.ts'
import type { Log } from '../ports/runtime.ts'
import { describeFailure, invocationLog } from '../runtime/log.ts'

interface QueueTriggerSpec {
  /** Name of the function, and of its file. */
  readonly name: string
  readonly queue: string
  readonly handle: (body: string, services: Services, log: Log) => Promise<void>
}

/** Declares a queue consumer. A throw returns the message to the queue; after `maxDequeueCount` it goes to `<queue>-poison`. */
export function queueTrigger(spec: QueueTriggerSpec) {
  async function run(message: unknown, provide: () => Services, log: Log): Promise<void> {
    try {
      // The host parses a JSON body; the contract of a message is its text.
      await spec.handle(typeof message === 'string' ? message : JSON.stringify(message), provide(), log)
    } catch (error) {
      log('error', 'message failed', { function: spec.name, cause: describeFailure(error) })
      throw error
    }
  }
  app.storageQueue(spec.name, {
    queueName: spec.queue,
    connection: 'AZURE_STORAGE_CONNECTION_STRING',
    handler: (message: unknown, context: InvocationContext) => run(message, services, invocationLog(context)),
  })
  return { ...spec, run }
}
