import type { DequeuedMessageItem } from '@azure/storage-queue'
import { createTraceContext } from '../http/http-request.ts'
import type { Log } from '../log.ts'
import { type Environment, findConnectionString, resolveSettings } from '../runtime/app-settings.ts'
import type { AppFunction } from '../runtime/core.ts'
import type { QueueOptions } from '../runtime/host-json.ts'
import type { InvocationRequest, RpcTypedData } from '../runtime/rpc.ts'
import type { RunFunction } from '../runtime/run-function.ts'
import type { Trigger } from '../runtime/trigger.ts'
import { startQueueListener } from './queue-listener.ts'
import type { QueueStorage } from './queue-storage.ts'

export type QueueTriggerOptions = {
  storage: QueueStorage
  queues: QueueOptions
  /** Overrides the host's 10 minutes, for which the messages of a killed process stay invisible. */
  leaseSeconds: number
  runFunction: RunFunction
  environment: Environment
  log: Log
}

/** Starts the listener of a function with a queue trigger. Throws HostError when its queue or connection is not set. */
export function startQueueTrigger(fn: AppFunction, options: QueueTriggerOptions): Trigger {
  const { storage, environment, log, runFunction } = options
  const connectionString = findConnectionString(fn.trigger.connection, environment)
  const queueName = resolveSettings(fn.trigger.queueName ?? '', environment).toLowerCase()
  const poisonName = `${queueName}-poison`
  const listener = startQueueListener({
    functionName: fn.name,
    queue: storage.queue(connectionString, queueName),
    options: options.queues,
    leaseSeconds: options.leaseSeconds,
    run: async (body, message) => {
      await runFunction(fn, toRequest(fn, body, describeMessage(body, message)))
    },
    sendToPoison: queueName.endsWith('-poison')
      ? undefined
      : (text) => storage.send(connectionString, poisonName, text),
    log,
  })
  storage.onSend(connectionString, queueName, listener.wake)
  return {
    start: (input) => runFunction(fn, toRequest(fn, Buffer.from(input), {})),
    stop: listener.stop,
  }
}

function toRequest(fn: AppFunction, body: Buffer, triggerMetadata: Record<string, RpcTypedData>): InvocationRequest {
  const data = fn.trigger.dataType === 'binary' ? { bytes: body } : { string: body.toString() }
  return { inputData: [{ name: fn.trigger.name, data }], triggerMetadata, traceContext: createTraceContext() }
}

/** Names as the host spells them; @azure/functions converts them to camelCase. */
function describeMessage(body: Buffer, message: DequeuedMessageItem): Record<string, RpcTypedData> {
  return {
    QueueTrigger: { string: body.toString() },
    Id: { string: message.messageId },
    PopReceipt: { string: message.popReceipt },
    DequeueCount: { json: JSON.stringify(message.dequeueCount) },
    InsertionTime: { json: JSON.stringify(message.insertedOn) },
    ExpirationTime: { json: JSON.stringify(message.expiresOn) },
    NextVisibleTime: { json: JSON.stringify(message.nextVisibleOn) },
  }
}
