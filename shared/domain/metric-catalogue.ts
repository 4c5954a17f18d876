/** The help text and labels of a metric. Names follow https://prometheus.io/docs/practices/naming/. */
interface Metric {
  readonly help: string
  readonly labels: readonly string[]
}

/** Only increase, from 0 at the start of the instance. */
export const counters = {
  auth_api_http_requests_total: {
    help: 'HTTP requests answered, but for those of public endpoints.',
    labels: ['function', 'method', 'status'],
  },
  auth_api_verdicts_total: { help: 'Verdicts of validate.', labels: ['code', 'degraded'] },
  auth_api_key_lookups_total: {
    help: 'Keys looked up, by where they were found: memory, store, stale (memory in an outage), replica, or none.',
    labels: ['source'],
  },
  auth_api_authentication_failures_total: {
    help: 'Credentials refused: unauthenticated, forbidden.',
    labels: ['reason'],
  },
  auth_api_store_calls_total: {
    help: 'Requests to a dependency: ok, transient, permanent, exhausted, rejected.',
    labels: ['dependency', 'outcome'],
  },
  auth_api_store_retries_total: { help: 'Requests to a dependency that were tried again.', labels: ['dependency'] },
  auth_api_usage_events_total: { help: 'Uses: recorded, refused, dropped.', labels: ['result'] },
  auth_api_usage_messages_total: { help: 'Usage messages: sent, failed.', labels: ['result'] },
  auth_api_usage_unclosed_boots_total: {
    help: 'Boots whose disk held uses and is gone, as reconciliations found them.',
    labels: [],
  },
  auth_api_usage_aggregated_events_total: { help: 'Uses added to the counters by this instance.', labels: [] },
  auth_api_usage_set_aside_total: {
    help: 'Usage messages set aside: refused, unreadable, delivered_too_often.',
    labels: ['reason'],
  },
  auth_api_limit_decisions_total: {
    help: 'Limits asked: granted or refused, out of a lease, by the store, or out of the local share.',
    labels: ['result', 'source'],
  },
  auth_api_limit_writes_total: { help: 'Writes of a limit: written, stale, failed.', labels: ['outcome'] },
  auth_api_feed_polls_total: { help: 'Polls of the feed of changes: ok, failed.', labels: ['outcome'] },
  auth_api_feed_changes_total: { help: 'Changes that the feed told of.', labels: ['kind'] },
} as const satisfies Readonly<Record<string, Metric>>

const CALL_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const WAIT_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86_400]

/** Durations in seconds; `bounds` are the upper ends of their buckets. */
export const histograms = {
  auth_api_http_request_duration_seconds: {
    help: 'Time to answer an HTTP request.',
    labels: ['function'],
    bounds: CALL_SECONDS,
  },
  auth_api_store_call_duration_seconds: {
    help: 'Time of one try of a request.',
    labels: ['dependency'],
    bounds: CALL_SECONDS,
  },
  auth_api_usage_lag_seconds: {
    help: 'Time from the making of a usage message until it is counted.',
    labels: [],
    bounds: WAIT_SECONDS,
  },
} as const satisfies Readonly<Record<string, Metric & { readonly bounds: readonly number[] }>>

/** Read at every scrape; left out when the read fails. */
export const gauges = {
  auth_api_build_info: { help: 'Always 1: the version is in its label.', labels: ['version'] },
  auth_api_breaker_state: { help: '0 closed, 1 half open, 2 open.', labels: ['dependency'] },
  auth_api_spool_batches: { help: 'Usage batches that wait in the spool.', labels: [] },
  auth_api_spool_bytes: { help: 'Size of what waits in the spool.', labels: [] },
  auth_api_spool_oldest_seconds: { help: 'Age of the oldest batch in the spool; 0 for none.', labels: [] },
  auth_api_pending_revocations: { help: 'Revocations that wait for the store to come back.', labels: [] },
  auth_api_resident_memory_bytes: { help: 'Memory of the worker.', labels: [] },
  auth_api_event_loop_busy_ratio: {
    help: 'Share of the time since the last scrape in which the worker had something to do.',
    labels: [],
  },
  auth_api_queue_messages: { help: 'Messages in a queue, hidden ones included.', labels: ['queue'] },
  auth_api_usage_set_aside_messages: {
    help: 'Usage messages that are set aside until an operator replays them; at most 1,000 are counted.',
    labels: [],
  },
  auth_api_cached_keys: { help: 'Keys that this instance remembers.', labels: [] },
  auth_api_feed_age_seconds: { help: 'How long ago the last complete poll of the feed began.', labels: [] },
  auth_api_replica_age_seconds: { help: 'How old the replica on the local disk is.', labels: [] },
  auth_api_replica_keys: { help: 'Keys in the replica on the local disk.', labels: [] },
  auth_api_keys_by_pepper: {
    help: 'Live keys by the newest pepper under which each is found, as last counted.',
    labels: ['pepper'],
  },
  auth_api_limit_leases: { help: 'Leases of limits that this instance holds.', labels: [] },
  auth_api_clock_skew_seconds: { help: 'How far the clock of this instance is ahead of the store’s.', labels: [] },
} as const satisfies Readonly<Record<string, Metric>>

export type CounterName = keyof typeof counters
export type HistogramName = keyof typeof histograms
export type GaugeName = keyof typeof gauges

export type LabelsOf<M extends Metric> = Readonly<Record<M['labels'][number], string>>
