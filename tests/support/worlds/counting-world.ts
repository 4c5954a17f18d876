import { encodeUsageMessage } from '../../../shared/contracts/usage-message.ts'
import { RefusedByStore } from '../../../shared/domain/errors.ts'
import type { UsageBatch, UsagePartition } from '../../../shared/domain/usage/usage.ts'
import { rest } from '../memory/manual-time.ts'
import { memoryMessageQueue } from '../memory/memory-message-queue.ts'
import { memoryPoisonStore } from '../memory/memory-poison-store.ts'
import { memoryLateUsage, memoryUsageLedger } from '../memory/memory-usage-ledger.ts'
import { violationOf } from './counting-invariant.ts'
import { type CountingPorts, type CountingProcess, countingProcess, frozen, type Request } from './counting-process.ts'
import type { Move, World } from './explore.ts'

export interface CountingScenario {
  readonly batches: readonly UsageBatch[]
  /** How many faults may happen: a crash, a lost reply, a failed or a delayed request, a redelivery. */
  readonly faults: number
  /** A partition that is sealed at any one moment; none by default. */
  readonly seal?: UsagePartition
  /** How many messages a process receives at once; 32 by default. */
  readonly receiveLimit?: number
  /** Whether a process keeps its cache after a drain; by default it restarts cold. */
  readonly warm?: boolean
  /** An endpoint for which the store refuses a commit, until it is mended at any one moment; none by default. */
  readonly refusedEndpoint?: string
  /** How often what is set aside may be replayed. */
  readonly replays?: number
  /** Plants a mistake in the processes. */
  readonly plant?: (ports: CountingPorts) => CountingPorts
}

export type CountingState = ReturnType<typeof startState>

function startState(scenario: CountingScenario) {
  return {
    scenario,
    ledger: memoryUsageLedger(),
    late: memoryLateUsage(),
    queue: memoryMessageQueue(frozen),
    poison: memoryMessageQueue(frozen),
    poisoned: memoryPoisonStore(),
    refuses: scenario.refusedEndpoint,
    replaysLeft: scenario.replays ?? 0,
    /** The messages, by batch id. */
    bodies: new Map(scenario.batches.map((batch) => [batch.batchId, encodeUsageMessage(batch)])),
    /** The counts in the push log, by `<batch>.<part>`. */
    pushed: new Map<string, { readonly applied: number; readonly late: number }>(),
    processes: [] as CountingProcess[],
    /** The process that received a message last. */
    receivers: new Map<string, CountingProcess>(),
    /** Requests that are still in the network although their sender has given up. */
    delayed: [] as Request[],
    faultsLeft: scenario.faults,
    sealsLeft: scenario.seal === undefined ? 0 : 1,
  }
}

/** Two consumer processes, one queue and one store. Anything may happen between two steps. */
export function countingWorld(scenario: CountingScenario): World {
  const state = startState(scenario)
  for (const body of state.bodies.values()) void state.queue.send(body)
  state.processes.push(spawn(state), spawn(state))
  return {
    moves: () => [...state.processes.flatMap((process, at) => processMoves(state, process, at)), ...worldMoves(state)],
    fingerprint: () => fingerprintOf(state),
    violation: () => violationOf(state),
  }
}

function spawn(state: CountingState): CountingProcess {
  const { ledger, late, queue, poison, poisoned, pushed, receivers, scenario } = state
  const ports: CountingPorts = {
    ledger: {
      ...ledger,
      commit: async (partition, change) => {
        if (change.counters.some(({ endpoints }) => state.refuses !== undefined && state.refuses in endpoints)) {
          throw new RefusedByStore('refused')
        }
        return ledger.commit(partition, change)
      },
    },
    poisoned,
    late,
    poison,
    queue: {
      ...queue,
      receive: async (limit, hiddenSeconds) => {
        const messages = await queue.receive(Math.min(limit, scenario.receiveLimit ?? 32), hiddenSeconds)
        for (const { id } of messages) receivers.set(id, process)
        return messages
      },
    },
    pushLog: {
      partApplied: async ({ batchId, part }, { applied, late: tooLate }) => {
        pushed.set(`${batchId}.${part}`, { applied, late: tooLate })
      },
    },
  }
  const process = countingProcess(scenario.plant?.(ports) ?? ports)
  return process
}

/** Runs the code until it waits. Redelivers messages without a live receiver; an empty receive is no event. */
async function comeToRest(state: CountingState): Promise<void> {
  await rest()
  for (const [at, process] of state.processes.entries()) {
    if (!process.isBusy() && process.history().length > 0 && !state.scenario.warm) state.processes[at] = spawn(state)
  }
  for (const { id } of state.queue.held()) if (!hasLiveReceiver(state, id)) state.queue.show(id)
  if (hasVisible(state)) return
  const receiving = state.processes.flatMap((process) => process.requests).find(({ method }) => method === 'receive')
  if (receiving === undefined) return
  await receiving.answer()
  await comeToRest(state)
}

function hasLiveReceiver(state: CountingState, id: string): boolean {
  const receiver = state.receivers.get(id)
  return receiver !== undefined && state.processes.includes(receiver) && receiver.isBusy()
}

function hasVisible(state: CountingState): boolean {
  return state.queue.held().some(({ hidden }) => !hidden)
}

function move(state: CountingState, name: string, act: () => Promise<void> | void): Move {
  return {
    name,
    take: async () => {
      await act()
      await comeToRest(state)
    },
  }
}

function fault(state: CountingState, name: string, act: () => Promise<void> | void): Move {
  return move(state, name, () => {
    state.faultsLeft--
    return act()
  })
}

function processMoves(state: CountingState, process: CountingProcess, at: number): readonly Move[] {
  if (!process.isBusy()) return idleMoves(state, process, at)
  const moves = process.requests.flatMap((request) => requestMoves(state, `${at}: ${request.name}`, request))
  if (state.faultsLeft === 0) return moves
  const crash = () => {
    state.delayed.push(...process.requests.filter(({ method }) => method === 'commit'))
    state.processes[at] = spawn(state)
  }
  return [...moves, fault(state, `${at}: CRASHES`, crash)]
}

function idleMoves(state: CountingState, process: CountingProcess, at: number): readonly Move[] {
  const replay = () => {
    state.replaysLeft--
    process.replay()
  }
  return [
    ...(hasVisible(state) ? [move(state, `${at}: wakes`, process.wake)] : []),
    ...(state.replaysLeft > 0 && state.poisoned.held().length > 0 ? [move(state, `${at}: replays`, replay)] : []),
  ]
}

function requestMoves(state: CountingState, label: string, request: Request): readonly Move[] {
  const answered = move(state, label, request.answer)
  if (state.faultsLeft === 0) return [answered]
  const lost = fault(state, `${label} REPLY LOST`, request.loseReply)
  if (!request.writes) return [answered, lost]
  const delay = () => {
    request.fail()
    state.delayed.push(request)
  }
  return [
    answered,
    lost,
    fault(state, `${label} FAILED`, request.fail),
    ...(request.method === 'commit' ? [fault(state, `${label} DELAYED`, delay)] : []),
  ]
}

function worldMoves(state: CountingState): readonly Move[] {
  const { queue, delayed, ledger } = state
  const { seal } = state.scenario
  const moves = delayed.map((request, index) =>
    move(state, `LANDS: ${request.name}`, async () => {
      delayed.splice(index, 1)
      await request.land()
    }),
  )
  for (const { id, hidden } of state.faultsLeft === 0 ? [] : queue.held()) {
    if (hidden) moves.push(fault(state, `${id} IS DELIVERED AGAIN`, () => queue.show(id)))
  }
  const sealNow = async (partition: UsagePartition) => {
    state.sealsLeft--
    await ledger.seal(partition)
  }
  const mend = () => {
    state.refuses = undefined
  }
  if (state.refuses !== undefined && state.replaysLeft > 0) moves.push(move(state, 'THE STORE IS MENDED', mend))
  if (seal !== undefined && state.sealsLeft > 0) moves.push(move(state, 'SEALED', () => sealNow(seal)))
  return moves
}

/** The two processes are interchangeable. */
function fingerprintOf(state: CountingState): string {
  const stored = state.ledger.held().map(({ partition, meta, applied, counters }) => {
    return [partition, meta, [...applied.keys()].sort(), [...counters.values()].map((row) => [row.keyId, row.total])]
  })
  const late = state.late.held().map(({ batchId, partition }) => [batchId, partition])
  const processes = state.processes.map((process) => [
    process.isBusy(),
    process.history(),
    namesOf(process.requests).sort(),
  ])
  return JSON.stringify([
    [stored, late, [...state.pushed], processes].map((part) => part.map((item) => JSON.stringify(item)).sort()),
    state.queue.held(),
    namesOf(state.delayed).sort(),
    state.poison.held(),
    state.poisoned.held(),
    state.refuses ?? null,
    state.replaysLeft,
    state.faultsLeft,
    state.sealsLeft,
  ])
}

function namesOf(requests: readonly Request[]): string[] {
  return requests.map(({ name }) => name)
}
