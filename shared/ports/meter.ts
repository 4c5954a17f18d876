import type {
  CounterName,
  counters,
  GaugeName,
  gauges,
  HistogramName,
  histograms,
  LabelsOf,
} from '../domain/metric-catalogue.ts'

/** One value of a gauge, with its labels. */
export interface Reading<N extends GaugeName> {
  readonly labels: LabelsOf<(typeof gauges)[N]>
  readonly value: number
}

/** Records metrics. Never throws and never blocks. No label ever holds a key, an id or a caller's input. */
export interface Meter {
  count<N extends CounterName>(name: N, labels: LabelsOf<(typeof counters)[N]>, by?: number): void
  observe<N extends HistogramName>(name: N, labels: LabelsOf<(typeof histograms)[N]>, seconds: number): void
  /** `read` is called at every scrape. A second call under one name replaces the first. */
  watch<N extends GaugeName>(name: N, read: () => readonly Reading<N>[] | Promise<readonly Reading<N>[]>): void
}

/** The resources that a process uses. */
export interface ProcessUsage {
  memoryBytes(): number
  /** The event loop's utilization since the last call: 0 to 1. */
  busyRatio(): number
}

export type BreakerState = 'closed' | 'half_open' | 'open'

/** The circuit breaker before one dependency for one lane of calls, such as `tables_lookup`. */
export interface Breaker {
  readonly name: string
  state(): BreakerState
}
