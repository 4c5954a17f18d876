import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { HostError } from '../errors.ts'

const TIMESPAN = /^(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})$/

const Timespan = z
  .string()
  .regex(TIMESPAN, 'must be a time span such as 00:01:00')
  .transform((text) => timespanMs(text) ?? 0)

// What QueuesOptions and HttpOptions of the Functions host accept, with the defaults of a local run.
const HostJson = z.object({
  extensions: z
    .object({
      http: z.object({ routePrefix: z.string().default('api') }).prefault({}),
      queues: z
        .object({
          batchSize: z.int().min(1).max(32).default(16),
          newBatchThreshold: z.int().min(0).optional(),
          maxDequeueCount: z.int().min(1).default(5),
          visibilityTimeout: Timespan.default(0),
          maxPollingInterval: z.union([z.int().min(100), Timespan]).default(2_000),
          messageEncoding: z.enum(['base64', 'none']).default('base64'),
        })
        .prefault({}),
    })
    .prefault({}),
})

export type QueueOptions = {
  batchSize: number
  /** The next batch is fetched when at most this many messages are in process. */
  newBatchThreshold: number
  maxDequeueCount: number
  /** How long a message stays invisible after a failure. */
  visibilityTimeoutMs: number
  maxPollingIntervalMs: number
  messageEncoding: 'base64' | 'none'
}

export type HostOptions = { routePrefix: string; queues: QueueOptions }

/** Reads host.json; a missing file means all defaults. Throws HostError that names every invalid value. */
export async function readHostJson(appDir: string): Promise<HostOptions> {
  const file = join(appDir, 'host.json')
  const text = await readFile(file, 'utf8').catch(() => '{}')
  const parsed = HostJson.safeParse(parseJson(file, text))
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new HostError(`${file} is not valid: ${issues.join('; ')}`)
  }
  const { http, queues } = parsed.data.extensions
  return {
    routePrefix: http.routePrefix,
    queues: {
      batchSize: queues.batchSize,
      newBatchThreshold: queues.newBatchThreshold ?? Math.floor(queues.batchSize / 2),
      maxDequeueCount: queues.maxDequeueCount,
      visibilityTimeoutMs: queues.visibilityTimeout,
      maxPollingIntervalMs: queues.maxPollingInterval,
      messageEncoding: queues.messageEncoding,
    },
  }
}

/** Parses a .NET time span such as `00:01:00` or `1.00:00:00`; undefined for any other text. */
export function timespanMs(text: string): number | undefined {
  const match = TIMESPAN.exec(text)
  if (!match) return undefined
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0))
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HostError(`${file} is not valid JSON.`, { cause: error })
  }
}
