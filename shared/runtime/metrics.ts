import { counters, type GaugeName, gauges, type HistogramName, histograms } from '../domain/metric-catalogue.ts'
import type { Meter } from '../ports/meter.ts'

/** The metrics of this instance since its start, as Prometheus reads them. */
export interface Metrics {
  readonly meter: Meter
  /** Omits a gauge that cannot be read from the text, and lists it in `failures`. Never rejects for one. */
  read(): Promise<Scrape>
}

interface Scrape {
  readonly contentType: string
  /** In the text exposition format. */
  readonly text: string
  readonly failures: readonly { readonly name: GaugeName; readonly cause: unknown }[]
}

const GAUGE_MS_MAX = 2000

type Labels = Readonly<Record<string, string>>

interface Sum {
  value: number
}

interface Distribution {
  /** One bucket for each bound, and one above them all; not cumulative. */
  readonly counts: number[]
  seconds: number
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/**
 * Every metric of `domain/metric-catalogue.ts`, each sample labelled with this `worker`, since scrapes through a load
 * balancer reach different workers. Counts by hand and formats with prom-client, which is loaded at the first scrape: its
 * own counters build a text of the labels every time, and loading it would slow down every start.
 */
export function openMetrics({ worker }: { readonly worker: string }): Metrics {
  const counterSeries = mapValues(counters, ({ labels }) => openSeries(labels, (): Sum => ({ value: 0 })))
  const histogramSeries = mapValues(histograms, ({ labels, bounds }) =>
    openSeries(labels, () => emptyDistribution(bounds)),
  )
  const watched = new Map<GaugeName, Parameters<Meter['watch']>[1]>()
  return {
    meter: {
      count(name, labels, by = 1) {
        counterSeries[name].of(labels).value += by
      },
      observe(name, labels, seconds) {
        record(histogramSeries[name].of(labels), histograms[name].bounds, seconds)
      },
      watch: (name, read) => void watched.set(name, read),
    },
    async read() {
      const read = await Promise.all([...watched].map(([name, gauge]) => readGauge(name, gauge)))
      const { AggregatorRegistry } = await import('prom-client')
      const registry = AggregatorRegistry.aggregate([
        [
          ...entriesOf(counterSeries).map(([name, series]) => metric('counter', name, counters[name], series.all())),
          ...entriesOf(histogramSeries).map(([name, series]) =>
            metric(
              'histogram',
              name,
              histograms[name],
              series.all().flatMap((one) => samplesOf(name, one)),
            ),
          ),
          ...read.flatMap(({ name, values }) => (values ? [metric('gauge', name, gauges[name], values)] : [])),
        ],
      ])
      registry.setDefaultLabels({ worker })
      return {
        contentType: registry.contentType,
        text: await registry.metrics(),
        failures: read.flatMap(({ name, values, cause }) => (values === null ? [{ name, cause }] : [])),
      }
    },
  }
}

/** The values by set of labels, looked up through one map per label, without building a text of the labels. */
function openSeries<Value extends object>(names: readonly string[], empty: () => Value) {
  interface Branch {
    readonly branches: Map<string, Branch>
    value?: Value
  }
  const root: Branch = { branches: new Map() }
  const all: ({ readonly labels: Labels } & Value)[] = []

  const valueAt = (branch: Branch, labels: Labels): Value => {
    if (branch.value === undefined) {
      const entry = { labels: { ...labels }, ...empty() }
      branch.value = entry
      all.push(entry)
    }
    return branch.value
  }
  if (names.length === 0) valueAt(root, {})

  return {
    all: () => all,
    of(labels: Labels): Value {
      let branch = root
      for (const name of names) {
        const label = labels[name] ?? ''
        let next = branch.branches.get(label)
        if (next === undefined) {
          next = { branches: new Map() }
          branch.branches.set(label, next)
        }
        branch = next
      }
      return valueAt(branch, labels)
    },
  }
}

function emptyDistribution(bounds: readonly number[]): Distribution {
  return { counts: new Array(bounds.length + 1).fill(0), seconds: 0 }
}

function record(distribution: Distribution, bounds: readonly number[], seconds: number): void {
  let bucket = 0
  while (seconds > (bounds[bucket] ?? Infinity)) bucket++
  distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1
  distribution.seconds += seconds
}

/** In the text format buckets are cumulative. */
function samplesOf(name: HistogramName, { labels, counts, seconds }: Distribution & { labels: Labels }): Sample[] {
  const { bounds } = histograms[name]
  let count = 0
  const buckets = counts.map((added, index): Sample => {
    count += added
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[index] ?? '+Inf' }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: seconds },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

async function readGauge(name: GaugeName, read: Parameters<Meter['watch']>[1]) {
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`not read within ${GAUGE_MS_MAX} ms`)), GAUGE_MS_MAX)
  try {
    return { name, values: await Promise.race([read(), tooLate]), cause: null }
  } catch (cause) {
    return { name, values: null, cause }
  } finally {
    clearTimeout(timer)
  }
}

/** As `getMetricsAsJSON()` of prom-client returns it. */
function metric(type: string, name: string, { help }: { readonly help: string }, values: readonly Sample[]) {
  return { type, name, help, values, aggregator: 'first' }
}

function mapValues<N extends string, M, D>(described: Readonly<Record<N, D>>, make: (of: D) => M): Record<N, M> {
  return Object.fromEntries(entriesOf(described).map(([name, of]) => [name, make(of)])) as Record<N, M>
}

function entriesOf<N extends string, V>(record: Readonly<Record<N, V>>): readonly [N, V][] {
  return Object.entries(record) as [N, V][]
}
