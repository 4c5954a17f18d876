import { countedAtMs, hourIndex, hourName } from './calendar.ts'
import { countedEndpoint } from './endpoint-names.ts'
import { type DeltaSize, type MeasuredDelta, type MessageRoom, messageRoom } from './message-packing.ts'
import { evidentIp } from './revoked-use.ts'
import type { UsageDelta, UsageEvent } from './usage.ts'

/** Uses that fit into one message. Open to more events until it is taken. */
export interface MessageDraft {
  readonly deltas: (hashIp: (address: string) => string) => readonly UsageDelta[]
  /** The number of deltas. */
  readonly size: () => number
  /** The same uses, folded: one event per delta. */
  readonly events: () => readonly UsageEvent[]
}

/** Folds events that wait to be sent: events of one hour that differ only in their time become one delta. */
export interface UsageAccumulator {
  /** Returns the draft that carries the event, or undefined when `bytesMax` is reached. */
  add(event: UsageEvent, nowMs: number): MessageDraft | undefined
  /** The open drafts, oldest first. */
  readonly waiting: readonly MessageDraft[]
  /** An estimate of the memory of all deltas that are not released. */
  bytes(): number
  /** Closes the oldest draft. Its deltas count against the bound until they are released. */
  take(): MessageDraft | undefined
  release(draft: MessageDraft): void
}

interface AccumulatorOptions {
  readonly measure: (delta: MeasuredDelta) => DeltaSize
  /** From this estimate of the memory on, events that need a new delta are turned away. */
  readonly bytesMax: number
}

interface Cell {
  readonly first: UsageEvent
  readonly hour: number
  readonly draft: Draft
  count: number
  lastMs: number
  lastIp: string | null
}

interface Draft extends MessageDraft {
  readonly cells: Cell[]
  readonly room: MessageRoom
  bytes: number
}

/** What a delta takes in memory beside its texts. */
const CELL_BYTES = 256

/** Starts empty. The bound is on the memory of deltas, not of uses: a busy key costs no more than a quiet one. */
export function usageAccumulator({ measure, bytesMax }: AccumulatorOptions): UsageAccumulator {
  const drafts: Draft[] = []
  const cellsByEndpoint = new Map<string, Map<string, Cell[]>>()
  let bytes = 0

  const open = (first: UsageEvent, hour: number, atMs: number): Cell | undefined => {
    if (bytes >= bytesMax) return undefined
    const { providerId, keyId, ownerId, outcome } = first
    const delta = { providerId, keyId, ownerId, outcome, endpoint: countedEndpoint(first.endpoint) }
    const size = measure(delta)
    const draft = roomFor(drafts, { ...delta, hour: hourName(hour) }, size)
    const added = size.keyBytes + size.deltaBytes + CELL_BYTES
    draft.bytes += added
    bytes += added
    const cell = { first, hour, draft, count: 0, lastMs: atMs, lastIp: first.clientIp }
    draft.cells.push(cell)
    const endpoints = entry(cellsByEndpoint, first.keyId, newMap<Cell[]>)
    entry(endpoints, first.endpoint, newList<Cell>).push(cell)
    return cell
  }

  return {
    waiting: drafts,
    bytes: () => bytes,
    add: (event, nowMs) => {
      const atMs = countedAtMs(event.at.getTime(), nowMs)
      const hour = hourIndex(atMs)
      const alike = cellsByEndpoint.get(event.keyId)?.get(event.endpoint)
      const usedMs = Math.min(atMs, nowMs)
      const cell = alike?.find((candidate) => isAlike(candidate, event, hour)) ?? open(event, hour, usedMs)
      if (cell === undefined) return undefined
      cell.count += event.count
      if (usedMs >= cell.lastMs) {
        cell.lastMs = usedMs
        cell.lastIp = event.clientIp
      }
      return cell.draft
    },
    take: () => {
      const draft = drafts.shift()
      for (const cell of draft?.cells ?? []) unlist(cellsByEndpoint, cell)
      return draft
    },
    release: (draft) => {
      bytes -= (draft as Draft).bytes
    },
  }
}

function isAlike(cell: Cell, event: UsageEvent, hour: number): boolean {
  const { first } = cell
  return (
    cell.hour === hour &&
    first.outcome === event.outcome &&
    first.statusClass === event.statusClass &&
    first.ownerId === event.ownerId
  )
}

/** Tries the newest draft only: a search through all drafts would make a long queue slow. */
function roomFor(drafts: Draft[], delta: Parameters<MessageRoom['reserve']>[0], size: DeltaSize): Draft {
  const newest = drafts.at(-1)
  if (newest?.room.reserve(delta, size)) return newest
  const cells: Cell[] = []
  const draft: Draft = {
    ...{ cells, room: messageRoom(), bytes: 0, size: () => cells.length },
    events: () =>
      cells.map(({ first, count, lastMs, lastIp }) => ({ ...first, count, at: new Date(lastMs), clientIp: lastIp })),
    deltas: (hashIp) => cells.map((cell) => deltaOf(cell, hashIp)),
  }
  draft.room.reserve(delta, size)
  drafts.push(draft)
  return draft
}

function deltaOf(cell: Omit<Cell, 'draft'>, hashIp: (address: string) => string): UsageDelta {
  const { providerId, keyId, ownerId, environment, outcome, endpoint, statusClass } = cell.first
  return {
    providerId,
    keyId,
    ownerId,
    environment,
    hour: hourName(cell.hour),
    outcome,
    endpoint: countedEndpoint(endpoint),
    statusClass,
    count: cell.count,
    lastUsedAt: isoText(cell.lastMs),
    lastIpHash: cell.lastIp === null ? null : hashIp(cell.lastIp),
    lastIp: evidentIp(outcome, cell.lastIp),
  }
}

// A cache of one: the cells of a message were often used last within one millisecond.
let latestText = { ms: Number.NaN, text: '' }

function isoText(ms: number): string {
  if (latestText.ms !== ms) latestText = { ms, text: new Date(ms).toISOString() }
  return latestText.text
}

function unlist(cellsByEndpoint: Map<string, Map<string, Cell[]>>, cell: Cell): void {
  const { keyId, endpoint } = cell.first
  const endpoints = cellsByEndpoint.get(keyId)
  const others = endpoints?.get(endpoint)?.filter((other) => other !== cell) ?? []
  if (others.length > 0) endpoints?.set(endpoint, others)
  else endpoints?.delete(endpoint)
  if (endpoints?.size === 0) cellsByEndpoint.delete(keyId)
}

function entry<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  const known = map.get(name)
  if (known !== undefined) return known
  const made = make()
  map.set(name, made)
  return made
}

function newMap<Value>(): Map<string, Value> {
  return new Map()
}

function newList<Item>(): Item[] {
  return []
}
