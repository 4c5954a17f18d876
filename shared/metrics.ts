import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { counters, gauges, histograms } from './domain/metrics.ts'
import type { Meter } from './ports-observing.ts'

/** What the instance has counted since its start, as Prometheus reads it. */
export interface Metrics {
  readonly meter: Meter
  /** The text exposition format, and its media type. */
  read(): Promise<{ readonly contentType: string; readonly text: string }>
}

const DURATION_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Every metric of `domain/metrics.ts`, in a registry of its own. */
export function openMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counting = mapValues(counters, (name, { help, labels }) => {
    return new Counter({ name, help, labelNames: labels, registers })
  })
  const timing = mapValues(histograms, (name, { help, labels }) => {
    return new Histogram({ name, help, labelNames: labels, buckets: DURATION_BUCKETS_SECONDS, registers })
  })
  return {
    meter: {
      count: (name, labels, by = 1) => counting[name].inc(labels, by),
      observe: (name, labels, seconds) => timing[name].observe(labels, seconds),
      watch(name, read) {
        registry.removeSingleMetric(name)
        const { help, labels: labelNames } = gauges[name]
        new Gauge({
          ...{ name, help, labelNames, registers },
          async collect() {
            this.reset()
            for (const { labels, value } of await read()) this.set(labels, value)
          },
        })
      },
    },
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}

interface Described {
  readonly help: string
  readonly labels: readonly string[]
}

function mapValues<N extends string, M>(
  described: Readonly<Record<N, Described>>,
  make: (name: N, of: Described) => M,
) {
  const names = Object.keys(described) as N[]
  return Object.fromEntries(names.map((name) => [name, make(name, described[name])])) as Record<N, M>
}
