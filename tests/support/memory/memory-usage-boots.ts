import type { ClosedBoot, OpenBoot } from '../../../shared/domain/usage/boots.ts'
import { dayName } from '../../../shared/domain/usage/calendar.ts'
import type { BootJournal, BootReports } from '../../../shared/ports/usage-boots.ts'

/** BootReports and a BootJournal in memory. */
export function memoryUsageBoots(): BootReports & BootJournal {
  const open = new Map<string, OpenBoot>()
  const closed = new Map<string, ClosedBoot>()
  return {
    report: async (boot) => void open.set(boot.producer, boot),
    close: async (boot) => {
      closed.set(`${dayName(boot.closedAt)}|${boot.producer}`, boot)
      open.delete(boot.producer)
    },
    async *open() {
      yield* [...open.values()]
    },
    async *closedOn(day) {
      yield* [...closed.values()].filter(({ closedAt }) => dayName(closedAt) === day)
    },
  }
}
