import data from './prices.json' with { type: 'json' }

export type Hosting = 'flex' | 'windowsConsumption' | 'kubernetes'

export interface Load {
  readonly validations: number
  readonly keys: number
  /** Executions of all timers in a month. */
  readonly timerRuns: number
  readonly hosting: Hosting
  readonly memoryMB: number
  readonly alwaysReady: number
  /** Uses that share one message of the queue: 1 where requests come one by one. */
  readonly usesPerMessage: number
  /** How often each log alert runs, in minutes. */
  readonly alertMinutes: readonly number[]
  readonly privateNetwork: boolean
  readonly telemetryItemsPerSecond: number
  readonly logDailyCapGb: number
  readonly nodes: number
}

export interface Line {
  readonly part: string
  readonly usd: number
  readonly counted: string
}

const MONTH_SECONDS = 30 * 86_400
const MILLION = 1_000_000

/** CPU of one validation: an assumption. The bench measures 0.28 ms in the local host; the Functions host adds to it. */
const CPU_SECONDS = 0.002

/** An instance answers so long at least, as Flex bills; Windows Consumption bills 0.1 s and 128 MB steps. */
const FLEX_MINIMUM_SECONDS = 1
const CONSUMPTION_GB_SECONDS = 0.1 * 0.25

/** Transactions of one message: send, receive, delete; one transaction of the counters and one read, and its row. */
const QUEUE_PER_MESSAGE = 3
const TABLES_PER_MESSAGE = 3

/** Key and provider, where every lookup misses the cache: the worst case. */
const TABLES_PER_VALIDATION = 2

/** A request and a line of the log, 1 KB each. */
const ITEMS_PER_VALIDATION = 2
const KB_PER_ITEM = 1
const GB_PER_KEY = 4e-6

const { prices, grants } = data

/** Estimates the cost of a month, by part, with what was counted for each. Validations come evenly: the worst case. */
export function estimate(load: Load): readonly Line[] {
  const compute = { flex, windowsConsumption, kubernetes }[load.hosting](load)
  return [...compute, ...storage(load), ...(load.hosting === 'kubernetes' ? [] : monitoring(load)), ...network(load)]
}

export function total(lines: readonly Line[]): number {
  return lines.reduce((sum, { usd }) => sum + usd, 0)
}

/** Seconds in which instances are busy, where executions come evenly and one that is alone bills its minimum. */
export function activeSeconds(executions: number, memoryMB: number): number {
  const perSecond = executions / MONTH_SECONDS
  const cores = memoryMB / 2048
  const busy = 1 - Math.exp(-perSecond * FLEX_MINIMUM_SECONDS)
  const instances = Math.max(1, (perSecond * CPU_SECONDS) / (cores * 0.5))
  return busy * instances * MONTH_SECONDS
}

function flex(load: Load): readonly Line[] {
  const gb = load.memoryMB / 1024
  const messages = load.validations / load.usesPerMessage
  const parts = [
    { part: 'validations', executions: load.validations, seconds: activeSeconds(load.validations, load.memoryMB) },
    { part: 'counting', executions: messages, seconds: activeSeconds(messages, load.memoryMB) },
    { part: 'timers', executions: load.timerRuns, seconds: load.timerRuns * FLEX_MINIMUM_SECONDS },
  ]
  const lines = parts.map(({ part, executions, seconds }) => ({
    part,
    usd: seconds * gb * prices.flexGbSecond.usd + (executions / MILLION) * prices.flexExecutions.usd,
    counted: `${whole(seconds * gb)} GB-s, ${whole(executions)} executions`,
  }))
  const used = {
    gbSeconds: parts.reduce((sum, { seconds }) => sum + seconds * gb, 0),
    executions: parts.reduce((sum, { executions }) => sum + executions, 0),
  }
  const free = {
    gbSeconds: Math.min(grants.flexGbSeconds, used.gbSeconds),
    executions: Math.min(grants.flexExecutions, used.executions),
  }
  return [
    ...lines,
    {
      part: 'free grant',
      usd: -(free.gbSeconds * prices.flexGbSecond.usd + (free.executions / MILLION) * prices.flexExecutions.usd),
      counted: `${whole(free.gbSeconds)} GB-s, ${whole(free.executions)} executions`,
    },
    {
      part: 'always ready, idle',
      usd: load.alwaysReady * gb * MONTH_SECONDS * prices.flexAlwaysReadyGbSecond.usd,
      counted: `${load.alwaysReady} instances of ${load.memoryMB} MB`,
    },
  ]
}

function windowsConsumption(load: Load): readonly Line[] {
  const executions = load.validations + load.validations / load.usesPerMessage + load.timerRuns
  const gbSeconds = Math.max(0, executions * CONSUMPTION_GB_SECONDS - grants.consumptionGbSeconds)
  const billed = Math.max(0, executions - grants.consumptionExecutions)
  return [
    {
      part: 'compute',
      usd: gbSeconds * prices.consumptionGbSecond.usd + (billed / MILLION) * prices.consumptionExecutions.usd,
      counted: `${whole(executions)} executions, after the free grant ${whole(billed)} and ${whole(gbSeconds)} GB-s`,
    },
  ]
}

function kubernetes({ nodes }: Load): readonly Line[] {
  const hours = 730
  return [
    { part: 'nodes', usd: nodes * hours * prices.kubernetesNodeHour.usd, counted: `${nodes} Standard_D2_v2` },
    { part: 'cluster', usd: hours * prices.kubernetesSlaHour.usd, counted: 'with uptime SLA' },
    { part: 'registry', usd: prices.registryMonth.usd, counted: 'Basic' },
  ]
}

function storage(load: Load): readonly Line[] {
  const messages = load.validations / load.usesPerMessage
  const queue = messages * QUEUE_PER_MESSAGE
  const tables = messages * TABLES_PER_MESSAGE + load.validations * TABLES_PER_VALIDATION
  const gb = load.keys * GB_PER_KEY
  return [
    { part: 'queue', usd: (queue / MILLION) * prices.queueTransactions.usd, counted: `${whole(queue)} transactions` },
    {
      part: 'tables',
      usd: (tables / MILLION) * prices.tableTransactions.usd,
      counted: `${whole(tables)} transactions`,
    },
    { part: 'data', usd: gb * prices.tableGb.usd, counted: `${gb.toFixed(2)} GB` },
  ]
}

function monitoring(load: Load): readonly Line[] {
  const items = Math.min(load.validations * ITEMS_PER_VALIDATION, load.telemetryItemsPerSecond * MONTH_SECONDS)
  const uncapped = (items * KB_PER_ITEM) / MILLION
  const gb = load.logDailyCapGb === 0 ? uncapped : Math.min(uncapped, load.logDailyCapGb * 30)
  const rules = load.alertMinutes.map((minutes) =>
    minutes <= 5 ? prices.alertEvery5Minutes.usd : prices.alertEvery15Minutes.usd,
  )
  return [
    { part: 'logs', usd: gb * prices.logGb.usd, counted: `${gb.toFixed(1)} GB` },
    { part: 'alarms', usd: rules.reduce((sum, usd) => sum + usd, 0), counted: `${rules.length} rules` },
  ]
}

function network({ privateNetwork }: Load): readonly Line[] {
  return privateNetwork
    ? [{ part: 'private endpoints', usd: 4 * prices.privateEndpointMonth.usd, counted: '4 endpoints' }]
    : []
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
