import { stringify } from 'yaml'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly runbook: string }
}

/**
 * Makes Prometheus' rule file of the table under "Alarms" in docs/operations.md: one rule per row whose condition is
 * PromQL. A row of the last three, which need no page, becomes a warning.
 */
export function prometheusRules(operations: string): string {
  const table = operations.split(/^## Alarms$/m)[1]?.split(/^## /m)[0] ?? ''
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
  const rules = rows.flatMap((row, index) => ruleOf(row, rows.length - index <= 3 ? 'warning' : 'page'))
  const head = '# Made of the alarms in docs/operations.md by `npm run infra:snapshots`.\n'
  return head + stringify({ groups: [{ name: 'auth-api', rules }] }, { lineWidth: 0 })
}

function ruleOf(row: string, severity: string): readonly Rule[] {
  const [, name = '', condition = '', link = ''] = /^\| (.*?) \| (.*) \| (.*) \|$/.exec(row) ?? []
  const [, expr, minutes = '0'] = /^`(.*)`(?: for (\d+) min)?$/.exec(condition) ?? []
  const [, anchor = ''] = /\]\((#[\w-]+)\)/.exec(link) ?? []
  if (expr === undefined) return []
  const alert = `AuthApi${name.replace(/(?:^|[^a-zA-Z]+)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`
  return [
    { alert, expr, for: `${minutes}m`, labels: { severity }, annotations: { runbook: `docs/operations.md${anchor}` } },
  ]
}
