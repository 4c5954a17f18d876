import type {
  CounterName,
  counters,
  GaugeName,
  gauges,
  HistogramName,
  histograms,
  LabelsOf,
} from '../domain/metric-catalogue.ts'

/** One value of a gauge, with the labels it is under. */
export interface Reading<N extends GaugeName> {
  readonly labels: LabelsOf<(typeof gauges)[N]>
  readonly value: number
}

/** Takes in what happens. Never throws and never waits. No label ever holds a key, an id or what a caller sent. */
export interface Meter {
  count<N extends CounterName>(name: N, labels: LabelsOf<(typeof counters)[N]>, by?: number): void
  observe<N extends HistogramName>(name: N, labels: LabelsOf<(typeof histograms)[N]>, seconds: number): void
  /** `read` is called at every scrape. A second call under one name replaces the first. */
  watch<N extends GaugeName>(name: N, read: () => readonly Reading<N>[] | Promise<readonly Reading<N>[]>): void
}

/** What a process takes of its machine. */
export interface ProcessUsage {
  memoryBytes(): number
  /** The share of the time since this was last asked in which the event loop was busy: 0 to 1. */
  busyRatio(): number
}

export type BreakerState = 'closed' | 'half_open' | 'open'

/** The circuit breaker before one dependency for one class of calls, such as `tables_hot`. */
export interface Breaker {
  readonly name: string
  state(): BreakerState
}
