import { describe, expect, test } from 'vitest'
import { counters } from '../../../shared/domain/metric-catalogue.ts'
import { openMetrics } from '../../../shared/runtime/metrics.ts'

const open = () => openMetrics({ worker: 'w' })

describe('metrics', () => {
  test('are written as Prometheus reads them, each sample labelled with its worker', async () => {
    const { meter, read } = open()
    meter.count('auth_api_http_requests_total', { function: 'keys-get', method: 'GET', status: '200' })
    meter.count('auth_api_http_requests_total', { function: 'keys-get', method: 'GET', status: '404' }, 2)
    meter.count('auth_api_http_requests_total', { method: 'GET', status: '200', function: 'keys-get' })
    const { text, contentType } = await read()
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(linesOf(text, 'auth_api_http_requests_total')).toEqual([
      `# HELP auth_api_http_requests_total ${counters.auth_api_http_requests_total.help}`,
      '# TYPE auth_api_http_requests_total counter',
      'auth_api_http_requests_total{function="keys-get",method="GET",status="200",worker="w"} 2',
      'auth_api_http_requests_total{function="keys-get",method="GET",status="404",worker="w"} 2',
    ])
  })

  test('count every duration in cumulative buckets, with their sum and count', async () => {
    const { meter, read } = open()
    for (const seconds of [0.0004, 0.0005, 0.0006, 9]) {
      meter.observe('auth_api_http_request_duration_seconds', { function: 'keys-get' }, seconds)
    }
    const lines = linesOf((await read()).text, 'auth_api_http_request_duration_seconds')
    const bucket = (le: string) => lines.find((line) => line.includes(`le="${le}"`))?.split(' ')[1]
    expect([bucket('0.0005'), bucket('0.001'), bucket('5'), bucket('+Inf')]).toEqual(['2', '3', '3', '4'])
    expect(lines.at(-1)).toBe('auth_api_http_request_duration_seconds_count{function="keys-get",worker="w"} 4')
    expect(lines.at(-2)?.split(' ')[0]).toContain('_seconds_sum{')
    expect(Number(lines.at(-2)?.split(' ')[1])).toBeCloseTo(9.0015)
  })

  test('without labels start at 0, so that a rate has a first sample', async () => {
    const { text } = await open().read()
    expect(text).toContain('auth_api_usage_aggregated_events_total{worker="w"} 0\n')
    expect(text).toContain('auth_api_usage_lag_seconds_count{worker="w"} 0\n')
  })

  test('of two registries are independent', async () => {
    const [one, other] = [open(), open()]
    one.meter.count('auth_api_usage_aggregated_events_total', {}, 5)
    expect((await other.read()).text).toContain('auth_api_usage_aggregated_events_total{worker="w"} 0\n')
  })

  test('are read at every scrape where they are gauges; the one watched last under a name counts', async () => {
    const { meter, read } = open()
    let leases = 1
    meter.watch('auth_api_limit_leases', () => [{ labels: {}, value: -1 }])
    meter.watch('auth_api_limit_leases', async () => [{ labels: {}, value: leases++ }])
    expect((await read()).text).toContain('auth_api_limit_leases{worker="w"} 1\n')
    expect((await read()).text).toContain('auth_api_limit_leases{worker="w"} 2\n')
  })

  test('omit a gauge that cannot be read, and report it beside the rest', async () => {
    const { meter, read } = open()
    const cause = new Error('the queue does not answer')
    meter.watch('auth_api_queue_messages', () => Promise.reject(cause))
    meter.watch('auth_api_limit_leases', () => [{ labels: {}, value: 3 }])
    const { text, failures } = await read()
    expect(failures).toEqual([{ name: 'auth_api_queue_messages', cause }])
    expect(text).not.toContain('auth_api_queue_messages')
    expect(text).toContain('auth_api_limit_leases{worker="w"} 3\n')
  })

  test('hold any text in a label', async () => {
    const { meter, read } = open()
    meter.count('auth_api_feed_changes_total', { kind: '__proto__' })
    meter.count('auth_api_feed_changes_total', { kind: 'a"b\\c\nd' })
    const { text } = await read()
    expect(text).toContain('auth_api_feed_changes_total{kind="__proto__",worker="w"} 1\n')
    expect(text).toContain('auth_api_feed_changes_total{kind="a\\"b\\\\c\\nd",worker="w"} 1\n')
  })
})

function linesOf(text: string, name: string): readonly string[] {
  return text.split('\n').filter((line) => line.replace(/^# (?:HELP|TYPE) /, '').startsWith(name))
}
