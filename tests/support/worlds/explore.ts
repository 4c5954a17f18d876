import { hash } from 'node:crypto'

/** A deterministic system: the explorer chooses every step. */
export interface World {
  /** The possible next steps; none at the end. The same steps always lead to the same moves. */
  moves(): readonly Move[]
  /** Equal for two worlds whose futures are equal. */
  fingerprint(): string
  /** The violated invariant, or undefined. */
  violation(): string | undefined
}

export interface Move {
  readonly name: string
  take(): Promise<void>
}

export interface Exploration {
  /** Distinct states seen. */
  readonly states: number
  /** Steps tried from these states. */
  readonly steps: number
  /** States without a further step. */
  readonly ends: number
  /** The first violation, and the steps that lead to it. */
  readonly found: { readonly violation: string; readonly steps: readonly string[] } | undefined
}

/**
 * Model checking: visits every reachable state, depth first, until one violates the invariant. A world cannot be
 * copied, so each branch replays its steps in a new world.
 */
export async function explore(start: () => World): Promise<Exploration> {
  const visits: Visits = { seen: new Set(), branches: [[]], steps: 0, ends: 0 }
  let found: Exploration['found']
  for (let branch = visits.branches.pop(); branch && !found; branch = visits.branches.pop()) {
    found = await follow(visits, start(), branch)
  }
  return { states: visits.seen.size, steps: visits.steps, ends: visits.ends, found }
}

interface Visits {
  readonly seen: Set<string>
  /** Unexplored branches: the index of each step among its moves. */
  readonly branches: (readonly number[])[]
  steps: number
  ends: number
}

/** Follows one branch until a state is known, violates the invariant or ends. Records the branches not taken. */
async function follow(visits: Visits, world: World, branch: readonly number[]): Promise<Exploration['found']> {
  const names = await replay(world, branch)
  for (const path = [...branch]; isNew(visits, world); path.push(0)) {
    const violation = world.violation()
    if (violation !== undefined) return { violation, steps: names }
    const [first, ...others] = world.moves()
    if (first === undefined) {
      visits.ends++
      return undefined
    }
    visits.steps += 1 + others.length
    for (const index of others.keys()) visits.branches.push([...path, index + 1])
    names.push(first.name)
    await first.take()
  }
  return undefined
}

function isNew({ seen }: Visits, world: World): boolean {
  const before = seen.size
  return seen.add(hash('sha1', world.fingerprint())).size > before
}

async function replay(world: World, branch: readonly number[]): Promise<string[]> {
  const names: string[] = []
  for (const index of branch) {
    const move = world.moves()[index]
    if (move === undefined) throw new Error(`The world is not deterministic after: ${names.join(', ')}`)
    names.push(move.name)
    await move.take()
  }
  return names
}
