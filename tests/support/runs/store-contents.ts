import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { inspect } from 'node:util'
import { TableClient, TableServiceClient } from '@azure/data-tables'
import { QueueServiceClient } from '@azure/storage-queue'
import type { Place } from './find-secrets.ts'

const PEEKED_MAX = 32

/** Every row of every table, one place per row. */
export async function readTables(connectionString: string): Promise<readonly Place[]> {
  const options = { allowInsecureConnection: true }
  const places: Place[] = []
  for await (const { name = '' } of TableServiceClient.fromConnectionString(connectionString, options).listTables()) {
    for await (const row of TableClient.fromConnectionString(connectionString, name, options).listEntities()) {
      places.push({
        name: `table ${name}`,
        content: inspect(row, { maxStringLength: null, maxArrayLength: null, breakLength: Infinity }),
      })
    }
  }
  return places
}

/** The text of every visible message. Throws when a queue holds more messages than one peek returns. */
export async function readQueues(connectionString: string): Promise<readonly Place[]> {
  const service = QueueServiceClient.fromConnectionString(connectionString)
  const places: Place[] = []
  for await (const { name } of service.listQueues()) {
    const { peekedMessageItems: messages } = await service
      .getQueueClient(name)
      .peekMessages({ numberOfMessages: PEEKED_MAX })
    if (messages.length === PEEKED_MAX) throw new Error(`The queue ${name} holds too many messages to see them all.`)
    for (const { messageText } of messages) {
      places.push({ name: `queue ${name}`, content: Buffer.from(messageText, 'base64') })
    }
  }
  return places
}

/** The number of messages in all queues, leased (hidden) messages included. */
export async function countMessages(connectionString: string): Promise<number> {
  const service = QueueServiceClient.fromConnectionString(connectionString)
  let count = 0
  for await (const { name } of service.listQueues()) {
    count += (await service.getQueueClient(name).getProperties()).approximateMessagesCount ?? 0
  }
  return count
}

/** Every file below a folder. The files of a stopped Azurite are its tables, queues and blobs. */
export async function readFiles(folder: string): Promise<readonly Place[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return Promise.all(
    files.map(async (file) => ({ name: `file ${relative(folder, file)}`, content: await readFile(file) })),
  )
}
