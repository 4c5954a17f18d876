/** How often a timer runs in a month of 30 days. Knows the forms of functions/: a fixed value, `*` and `*` with a step. */
export function timerRuns(cron: string): number {
  const [second = '', minute = '', hour = '', ...days] = cron.split(' ')
  if (!/^\d+$/.test(second) || days.join(' ') !== '* * *')
    throw new Error(`The schedule ${cron} is of an unknown form.`)
  return timesIn(minute, 60) * timesIn(hour, 24) * 30
}

function timesIn(field: string, values: number): number {
  if (field === '*') return values
  if (/^\d+$/.test(field)) return 1
  const [, step] = /^\*\/(\d+)$/.exec(field) ?? []
  if (step === undefined) throw new Error(`The field ${field} of a schedule is of an unknown form.`)
  return Math.ceil(values / Number(step))
}
