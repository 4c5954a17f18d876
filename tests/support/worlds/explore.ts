import { hash } from 'node:crypto'

/** A system whose every step is chosen from outside. */
export interface World {
  /** The steps possible now; none when it has come to its end. Always the same after the same steps. */
  moves(): readonly Move[]
  /** Equal for two worlds that behave alike from now on. */
  fingerprint(): string
  /** What is wrong now, or undefined. */
  violation(): string | undefined
}

export interface Move {
  readonly name: string
  take(): Promise<void>
}

export interface Exploration {
  /** Different states seen. */
  readonly states: number
  /** Steps tried out of them. */
  readonly steps: number
  /** States without a further step. */
  readonly ends: number
  /** The first wrong state, and the steps that lead to it. */
  readonly found: { readonly violation: string; readonly steps: readonly string[] } | undefined
}

/**
 * Visits every state that any choice of steps can reach, depth first, until one is wrong. A world cannot be copied, so
 * each branch starts over and takes the same steps again.
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
  /** Steps, by their places among the moves, that lead to where nobody went yet. */
  readonly branches: (readonly number[])[]
  steps: number
  ends: number
}

/** Goes down one branch until a state is known, wrong or the last; notes the branches not taken. */
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
