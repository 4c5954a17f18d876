import { type QueueClient, QueueServiceClient } from '@azure/storage-queue'

/** The queues of any number of storage accounts, keyed by connection string. */
export type QueueStorage = {
  queue: (connectionString: string, name: string) => QueueClient
  /** Sends a message whose text is already encoded; creates the queue if it is missing. */
  send: (connectionString: string, name: string, text: string) => Promise<void>
  /** Calls `wake` after each `send` to the queue: a listener in this process need not wait for its next poll. */
  onSend: (connectionString: string, name: string, wake: () => void) => void
}

export function createQueueStorage(): QueueStorage {
  const services = new Map<string, QueueServiceClient>()
  const wakes = new Map<string, () => void>()

  const queue: QueueStorage['queue'] = (connectionString, name) => {
    let service = services.get(connectionString)
    if (!service) {
      service = QueueServiceClient.fromConnectionString(connectionString, {
        retryOptions: { maxTries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 2_000 },
      })
      services.set(connectionString, service)
    }
    return service.getQueueClient(name)
  }

  return {
    queue,
    send: async (connectionString, name, text) => {
      const client = queue(connectionString, name)
      try {
        await client.sendMessage(text)
      } catch (error) {
        if (!isNotFound(error)) throw error
        await client.createIfNotExists()
        await client.sendMessage(text)
      }
      wakes.get(`${connectionString} ${name}`)?.()
    },
    onSend: (connectionString, name, wake) => wakes.set(`${connectionString} ${name}`, wake),
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 404
}
