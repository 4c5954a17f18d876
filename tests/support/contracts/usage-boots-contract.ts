import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { OpenBoot } from '../../../shared/domain/usage/boots.ts'
import type { BootJournal, BootReports } from '../../../shared/ports/usage-boots.ts'

type Boots = BootReports & BootJournal

const at = new Date('2026-11-22T16:00:00.123Z')

function sampleBoot(change: Partial<OpenBoot> = {}): OpenBoot {
  return {
    producer: `host.${randomUUID()}`,
    ...{ openedAt: at, reportedAt: at, lastNumber: 7, waitingMessages: 2, waitingBytes: 4096 },
    ...change,
  }
}

async function openOf(boots: Boots, producer: string) {
  return (await Array.fromAsync(boots.open())).filter((boot) => boot.producer === producer)
}

async function closedOf(boots: Boots, day: string, producer: string) {
  return (await Array.fromAsync(boots.closedOn(day))).filter((boot) => boot.producer === producer)
}

/** The contract of all BootReports with their BootJournal. */
export function usageBootsContract(name: string, makeBoots: () => Boots): void {
  describe(`${name} as reports of boots`, () => {
    test('a boot is open as of its last report', async () => {
      const boots = makeBoots()
      const boot = sampleBoot()
      await boots.report(boot)
      expect(await openOf(boots, boot.producer)).toEqual([boot])
      const later = { ...boot, reportedAt: new Date(at.getTime() + 60_000), lastNumber: 9, waitingMessages: 0 }
      await boots.report(later)
      expect(await openOf(boots, boot.producer)).toEqual([later])
    })

    test('a closed boot is open no more, and is found by the day of its close', async () => {
      const boots = makeBoots()
      const { producer } = sampleBoot()
      await boots.report(sampleBoot({ producer }))
      const closed = { producer, closedAt: at, lastNumber: 9 }
      await boots.close(closed)
      await boots.close(closed)
      expect(await openOf(boots, producer)).toEqual([])
      expect(await closedOf(boots, '20261122', producer)).toEqual([closed])
      expect(await closedOf(boots, '20261123', producer)).toEqual([])
    })

    test('a boot may open again, and close again', async () => {
      const boots = makeBoots()
      const boot = sampleBoot()
      await boots.close({ producer: boot.producer, closedAt: at, lastNumber: 3 })
      await boots.report(boot)
      expect(await openOf(boots, boot.producer)).toEqual([boot])
      await boots.close({ producer: boot.producer, closedAt: at, lastNumber: 8 })
      expect(await openOf(boots, boot.producer)).toEqual([])
      expect(await closedOf(boots, '20261122', boot.producer)).toMatchObject([{ lastNumber: 8 }])
    })

    test('a number that is unknown stays unknown', async () => {
      const boots = makeBoots()
      const boot = sampleBoot({ lastNumber: null })
      await boots.report(boot)
      expect(await openOf(boots, boot.producer)).toEqual([boot])
      await boots.close({ producer: boot.producer, closedAt: at, lastNumber: null })
      expect(await closedOf(boots, '20261122', boot.producer)).toMatchObject([{ lastNumber: null }])
    })
  })
}
