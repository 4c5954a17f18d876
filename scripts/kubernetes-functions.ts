/** Functions that both Deployments run: every pod is probed, and every pod has metrics of its own. */
const everywhere: readonly string[] = ['health', 'metrics']

/**
 * Makes the settings that limit the functions of a pod. The API runs what HTTP starts; the worker runs what queues and
 * timers start, so that counting scales by the queue and each timer runs in one place.
 */
export function functionSettings(sources: ReadonlyMap<string, string>): {
  readonly api: string
  readonly worker: string
} {
  const names = [...sources.keys()].sort()
  const byHttp = (name: string) => /\bendpoint\(/.test(sources.get(name) ?? '')
  return {
    api: settings(names.filter(byHttp)),
    worker: settings(names.filter((name) => everywhere.includes(name) || !byHttp(name))),
  }
}

function settings(names: readonly string[]): string {
  const lines = names.map((name, index) => `AzureFunctionsJobHost__functions__${index}=${name}`)
  return ['# Made of functions/ by `npm run infra:snapshots`.', ...lines, ''].join('\n')
}
