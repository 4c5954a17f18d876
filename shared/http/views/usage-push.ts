import type { HttpRequest } from '@azure/functions'
import { PushBody, PushedEventBody } from '../../contracts/usage.ts'
import type { FieldError } from '../../domain/errors.ts'
import type { PushedItem, RejectionCode } from '../../domain/usage/push.ts'
import { type JsonReading, readJson } from '../read-json.ts'
import { check, invalidRequest, parseJson } from '../read-request.ts'

const MAX_POINTER_LENGTH = 128
const MAX_DETAIL_LENGTH = 200

export interface ParsedPush {
  /** From the query or the body. */
  readonly batchId: string | undefined
  readonly items: readonly PushedItem[]
}

/**
 * Parses the events of a push: a JSON array, an object `{ batch_id, events }`, or NDJSON. An invalid event, or a line
 * that is not JSON, becomes a `rejected` item with its reason. Throws as for any other body where the whole is invalid.
 */
export function readPushBody(request: HttpRequest, text: string, batchId: string | undefined): ParsedPush {
  const isLines = /^application\/(?:x-)?(?:ndjson|jsonl)\s*(?:;|$)/i.test(request.headers.get('content-type') ?? '')
  const lines = isLines ? readLines(text) : undefined
  const body = check(PushBody, lines ?? parseJson(request, text), '#')
  if (!('data' in body)) throw invalidRequest(body.errors)
  const { batch_id: named = batchId, events } = body.data
  if (batchId !== undefined && named !== batchId) {
    throw invalidRequest([{ pointer: '#/batch_id', detail: 'must be the batch_id of the query, or be left out' }])
  }
  const readings = lines ?? events.map((value): JsonReading => ({ kind: 'value', value }))
  return { batchId: named, items: readings.map(readEvent) }
}

/** Skips empty lines. */
function readLines(text: string): readonly JsonReading[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(readJson)
}

function readEvent(reading: JsonReading, index: number): PushedItem {
  if (reading.kind !== 'value') return rejectLine(index, reading)
  const event = check(PushedEventBody, reading.value, '#')
  if (!('data' in event)) {
    return reject(index, 'invalid_event', event.errors[0] ?? { pointer: '#', detail: 'is not an event' })
  }
  const { key_id, at, outcome, endpoint, status, count, id } = event.data
  return {
    kind: 'event',
    index,
    event: {
      keyId: key_id,
      at: at ?? null,
      outcome,
      endpoint,
      statusClass: statusClassOf(status ?? (outcome === 'VALID' ? 200 : 400)),
      count,
      id: id ?? null,
    },
  }
}

function rejectLine(index: number, reading: Exclude<JsonReading, { readonly kind: 'value' }>): PushedItem {
  const [error] = reading.kind === 'faults' ? reading.errors : []
  if (error !== undefined) return reject(index, 'invalid_event', error)
  return reject(index, 'malformed_json', { pointer: '#', detail: 'The line is not valid JSON.' })
}

function statusClassOf(status: number) {
  const classes = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const
  return classes[Math.floor(status / 100) - 1] ?? '5xx'
}

function reject(index: number, code: RejectionCode, { pointer, detail }: FieldError): PushedItem {
  return {
    kind: 'rejected',
    rejection: {
      index,
      code,
      pointer: pointer.slice(0, MAX_POINTER_LENGTH),
      detail: detail.slice(0, MAX_DETAIL_LENGTH),
    },
  }
}
