import type { Policy, Span, Trouble } from './limit-trouble.ts'

export const START_MS = Date.parse('2026-11-22T16:00:00.000Z')
export const RUN_MS = 240_000

interface Restart {
  readonly atMs: number
  readonly index: number
  readonly keepsDisk: boolean
}

/** What happens in one run; drawn once, so that a seed always means the same. */
export function planOf(trouble: Trouble, random: () => number) {
  const draw = drawing(random)
  const instances = draw.choose([1, 2, 3, 5, 10, 20])
  const first: Policy = { atMs: START_MS, limit: draw.choose(limits), windowMs: draw.choose(windows), version: 0 }
  const policies = [first, ...(trouble.hasEdits === false ? [] : editsOf(first, draw))]
  const outages = trouble.hasOutages === false ? [] : [outageOf(draw)]
  const blips = Array.from({ length: draw.whole(0, 6) }, () => {
    const fromMs = START_MS + draw.between(0, RUN_MS)
    return { fromMs, toMs: fromMs + draw.between(200, 5000) }
  })
  const perMs = (Math.max(...policies.map(({ limit }) => limit)) / first.windowMs) * draw.between(0.5, 3)
  const arrivals: { atMs: number; index: number }[] = []
  for (let atMs = START_MS; atMs < START_MS + RUN_MS; atMs += -Math.log(1 - random()) / perMs)
    arrivals.push({ atMs, index: random() < 0.3 ? 0 : draw.whole(0, instances - 1) })
  const restarts = restartsOf(trouble, instances, outages, draw)
  const rotations = Array.from({ length: draw.whole(0, 3) }, () => START_MS + draw.between(0, 160_000))
  return {
    ...{ instances, first, policies, outages, arrivals, restarts },
    rotations: rotations.sort((a, b) => a - b),
    down: [...outages, ...separate(blips, outages)],
  }
}

const limits = [10, 20, 50, 100, 200] as const
const windows = [10_000, 20_000, 30_000, 60_000] as const

type Draw = ReturnType<typeof drawing>

function drawing(random: () => number) {
  const between = (least: number, most: number) => least + random() * (most - least)
  const whole = (least: number, most: number) => Math.floor(between(least, most + 1))
  return {
    between,
    whole,
    chance: (part: number) => random() < part,
    choose: <Item>(items: readonly [Item, ...Item[]]): Item => items[whole(0, items.length - 1)] ?? items[0],
  }
}

function editsOf(first: Policy, { between, chance, choose }: Draw): Policy[] {
  const edits: Policy[] = []
  for (const atMs of [between(30_000, 80_000), between(110_000, 160_000)]) {
    const before = edits.at(-1) ?? first
    const windowMs = chance(0.5) ? before.windowMs : choose(windows)
    edits.push({ atMs: START_MS + atMs, limit: choose(limits), windowMs, version: edits.length + 1 })
  }
  return edits
}

function outageOf({ between }: Draw): Span {
  const fromMs = START_MS + between(170_000, 190_000)
  return { fromMs, toMs: fromMs + between(8000, 45_000) }
}

function restartsOf(
  { restartsInOutage = 0, startsInOutage = 0 }: Trouble,
  instances: number,
  outages: readonly Span[],
  { between, whole, chance }: Draw,
): readonly Restart[] {
  const anyTime = Array.from({ length: whole(0, Math.min(8, instances * 2)) }, () => ({
    ...{ atMs: START_MS + between(0, RUN_MS), index: whole(0, instances - 1), keepsDisk: chance(0.5) },
  }))
  const inOutage = outages.flatMap(({ fromMs, toMs }) =>
    Array.from({ length: restartsInOutage + startsInOutage }, (_, restart) => ({
      ...{ atMs: between(fromMs, toMs), index: whole(0, instances - 1), keepsDisk: restart < restartsInOutage },
    })),
  )
  return [...anyTime, ...inOutage]
}

/** Blips that touch each other, or an outage, would be one longer outage. */
function separate(blips: readonly Span[], outages: readonly Span[]): Span[] {
  const kept: Span[] = []
  for (const blip of blips) {
    const isApart = ({ fromMs, toMs }: Span) => blip.toMs + 2000 < fromMs || toMs + 2000 < blip.fromMs
    if ([...kept, ...outages].every(isApart)) kept.push(blip)
  }
  return kept
}
