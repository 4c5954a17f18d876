import { HostError } from '../errors.ts'
import type { QueueStorage } from '../queue/queue-storage.ts'
import { type Environment, findConnectionString, resolveSettings } from './app-settings.ts'
import type { AppFunction } from './core.ts'
import type { InvocationResponse, RpcTypedData } from './rpc.ts'

/** Sends a function's output messages. Throws when one cannot be sent; the invocation has then failed. */
export type BindOutputs = (fn: AppFunction, response: InvocationResponse) => Promise<void>

type Output = { bindingName: string; connectionString: string; queueName: string }
type Encoding = 'base64' | 'none'

/** Throws HostError when a function has an output that this host does not support. */
export function createBindOutputs(
  functions: Iterable<AppFunction>,
  storage: QueueStorage,
  encoding: Encoding,
  environment: Environment,
): BindOutputs {
  const outputs = new Map([...functions].map((fn) => [fn, findOutputs(fn, environment)]))
  return async (fn, response) => {
    for (const { bindingName, connectionString, queueName } of outputs.get(fn) ?? []) {
      for (const message of splitMessages(findOutput(response, bindingName))) {
        await storage.send(connectionString, queueName, message.toString(encoding === 'base64' ? 'base64' : 'utf8'))
      }
    }
  }
}

function findOutput(response: InvocationResponse, bindingName: string): RpcTypedData | null | undefined {
  if (bindingName === '$return') return response.returnValue
  return response.outputData?.find(({ name }) => name === bindingName)?.data
}

function findOutputs(fn: AppFunction, environment: Environment): Output[] {
  return Object.entries(fn.metadata.bindings)
    .filter(([, { direction, type }]) => direction === 'out' && type.toLowerCase() !== 'http')
    .map(([bindingName, { type, connection, queueName = '' }]) => {
      if (type.toLowerCase() !== 'queue' || queueName.includes('{')) {
        throw new HostError(
          `The output ${bindingName} of function "${fn.name}" is not supported by the local host yet.`,
        )
      }
      return {
        bindingName,
        connectionString: findConnectionString(connection, environment),
        queueName: resolveSettings(queueName, environment).toLowerCase(),
      }
    })
}

/** A JSON array is one message per element, as in the host. */
function splitMessages(data: RpcTypedData | null | undefined): Buffer[] {
  if (!data) return []
  if (data.bytes) return [Buffer.from(data.bytes)]
  const text = data.json ?? data.string ?? String(data.int ?? data.double)
  const parsed = parseJson(text)
  if (!Array.isArray(parsed)) return [Buffer.from(text)]
  return parsed.map((item: unknown) => Buffer.from(typeof item === 'string' ? item : JSON.stringify(item)))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
